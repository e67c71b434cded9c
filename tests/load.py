"""Senders that go on during a failover, and what became of what they were told."""

import itertools
import threading
import time
from types import TracebackType
from typing import Self

from django.conf import settings
from redis.exceptions import RedisError

from epicops import keys
from epicops.redis_client import DOOR_TIMEOUT, Redis, connect
from interconnect.wire.push import push
from tests.builders import adt

PAUSE = 0.005  # seconds between two messages


class SenderLoad:
    """One sender whose messages the doors push: entered, it sends; left, it has stopped.

    `accepted` holds the message and the time of every push that counts as safe. Uses the queue's URL of the settings.
    """

    def __init__(self) -> None:
        self.accepted: dict[bytes, float] = {}
        self.refused = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, name="sender")

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_for_more()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _send(self) -> None:
        client = connect(settings.EPICOPS_REDIS_QUEUE_URL, timeout=DOOR_TIMEOUT)
        for number in itertools.count(1):
            if self._stop.is_set():
                return
            message = adt("A01", mrn=f"{number:08}")
            try:
                push(client, [message])
                self.accepted[message] = time.monotonic()
            except (RedisError, OSError):
                self.refused += 1
            time.sleep(PAUSE)

    def wait_for_more(self, count: int = 20, seconds: float = 15) -> None:
        """Return once so many more messages were accepted."""
        wanted, deadline = len(self.accepted) + count, time.monotonic() + seconds
        while len(self.accepted) < wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"nothing is accepted; {self.refused} refused")
            time.sleep(0.01)

    @property
    def gap(self) -> float:
        """The longest time without an AA, in seconds."""
        times = list(self.accepted.values())
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    def lost(self, client: Redis) -> int:
        """How many accepted messages are not in the queue."""
        return len(self.accepted.keys() - set(client.lrange(keys.QUEUE, 0, -1)))
