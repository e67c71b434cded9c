"""One worker applies messages; others stand by.

The owner holds a PostgreSQL session advisory lock on the connection it commits with. If its process dies, the lock is
free at once; if its connection dies, it can no longer commit. No clock is involved, so none can be wrong.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

from epicops.redis_client import Redis
from epicops.shutdown import StopFlag
from interconnect.queue import InboundQueue

LOCK_CLASS = 0x48_4C_37  # "HL7": our half of pg_advisory_lock's two integers; the other is the lane
STANDBY_SECONDS = 0.5


@contextmanager
def owned_queue(
    client: Redis, stop: StopFlag, lane: int = 0, *, on_standby: Callable[[], None]
) -> Iterator[InboundQueue | None]:
    """Wait for the ownership of the lane and yield its queue; None when asked to stop while standing by.

    The connection is closed at the end, and with it the lock is gone, whatever state it was in.
    """
    try:
        while not _try_lock(lane):
            if stop.requested:
                yield None
                return
            on_standby()
            time.sleep(STANDBY_SECONDS)
        queue = InboundQueue(client, secrets.token_hex(16))
        queue.take_over()
        yield queue
    finally:
        connection.close()


def _try_lock(lane: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")  # an acknowledged batch must survive a crash
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_CLASS, lane])
        return bool(cursor.fetchone()[0])
