"""One worker applies messages; others stand by.

The owner holds a PostgreSQL session advisory lock on the connection it commits with. If its process dies, the lock is
free at once; if its connection dies, it can no longer commit. A clock decides only when a hung owner is replaced, and
even that is safe when it is wrong: the one replaced cannot commit, and its claim comes back to the next owner.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from epicops.redis_client import Redis
from epicops.shutdown import StopFlag
from interconnect.consumer.queue import InboundQueue

logger = logging.getLogger(__name__)

LOCK_CLASS: Final = 0x48_4C_37  # "HL7": our half of pg_advisory_lock's two integers; the other is the lane
STANDBY_SECONDS: Final = 0.5
HUNG_SECONDS: Final = 15.0  # silence of an owner; a living one asks PostgreSQL something twice a second

# l is the lock of a lane, a the session that holds it.
HELD: Final = """
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.classid = %s AND l.objsubid = 2 AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
OWNER: Final = f"{HELD} AND l.objid = %s"
SILENCE: Final = "extract(epoch FROM clock_timestamp() - greatest(a.state_change, a.query_start))::float"

# The owner whose backend has waited for it, and not it for its backend, for so long. COPY waits within a statement.
END_HUNG_OWNER: Final = f"""
SELECT a.pid, pg_terminate_backend(a.pid) {OWNER}
  AND a.wait_event_type = 'Client'
  AND clock_timestamp() - greatest(a.state_change, a.query_start) > make_interval(secs => %s)
"""


class TransactionPooling(ImproperlyConfigured):
    """The database is reached through a pooler that shares connections between transactions."""


@contextmanager
def owned_queue(
    client: Redis,
    stop: StopFlag,
    *,
    on_standby: Callable[[], None] = lambda: None,
    lane: int = 0,
    hung_seconds: float = HUNG_SECONDS,
) -> Iterator[InboundQueue | None]:
    """Wait for the ownership of the lane and yield its queue; None when asked to stop while standing by.

    The connection is closed at the end, and with it the lock is gone, whatever state it was in. Raises
    TransactionPooling where the lock would mean nothing.
    """
    try:
        refuse_transaction_pooling()
        while not _try_lock(lane):
            if stop.requested:
                yield None
                return
            on_standby()
            _end_hung_owner(lane, hung_seconds)
            time.sleep(STANDBY_SECONDS)
        queue = InboundQueue(client, secrets.token_hex(16), lane)
        queue.take_over()
        yield queue
    finally:
        connection.close()


@contextmanager
def free_lane(client: Redis, lane: int) -> Iterator[InboundQueue | None]:
    """Own a lane for a moment, too; None when somebody else owns it."""
    if not _try_lock(lane):
        yield None
        return
    queue = InboundQueue(client, secrets.token_hex(16), lane)
    queue.take_over()
    yield queue
    with connection.cursor() as cursor:  # after an exception the connection is closed, which unlocks as well
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_CLASS, lane])


def refuse_transaction_pooling() -> None:
    """Raise TransactionPooling when a second client gets the very session that this one still has open."""
    mine = _backend_pid(connection)
    other = connection.copy()
    try:
        shared = _backend_pid(other) == mine
    finally:
        other.close()
    if shared:
        raise TransactionPooling(
            "EPICOPS_DATABASE_URL leads to a pooler in transaction mode, where the worker's advisory lock would belong "
            "to whoever comes next. Connect the worker to PostgreSQL itself, or set pool_mode=session for it."
        )


def _backend_pid(database: BaseDatabaseWrapper) -> int:
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _try_lock(lane: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")  # an acknowledged batch must survive a crash
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_CLASS, lane])
        return bool(cursor.fetchone()[0])


def _end_hung_owner(lane: int, seconds: float) -> None:
    """End the session of an owner that has been silent for so long; its lock is then free."""
    with connection.cursor() as cursor:
        cursor.execute(END_HUNG_OWNER, [LOCK_CLASS, lane, seconds])
        for pid, _ in cursor.fetchall():
            logger.error("hung owner replaced", extra={"backend": pid, "silent_seconds": seconds})


def give_sign() -> None:
    """Ask PostgreSQL something, as the owner of a lane that has nothing to do: in silence it would count as hung."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


class Owner(NamedTuple):
    """The session of PostgreSQL that owns a lane."""

    pid: int
    host: str  # empty: a socket of the same machine
    owned_since: datetime  # at the latest
    silent_seconds: float


def owners() -> dict[int, Owner]:
    """Return who owns which lane; nobody owns those that are left out."""
    with connection.cursor() as cursor:
        columns = f"l.objid::int, a.pid, coalesce(host(a.client_addr), ''), a.backend_start, {SILENCE}"
        cursor.execute(f"SELECT {columns} {HELD}", [LOCK_CLASS])
        return {lane: Owner(*session) for lane, *session in cursor.fetchall()}


def end_owner(lane: int = 0) -> bool:
    """End the owner's session: what it had claimed goes to a standby, or comes back to itself. False without owner."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend(a.pid) {OWNER}", [LOCK_CLASS, lane])
        return cursor.fetchone() is not None
