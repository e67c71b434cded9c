"""Senders that go on during a failover, and what became of what they were told."""

import asyncio
import itertools
import threading
import time
from types import TracebackType
from typing import Self

from epicops import keys
from epicops.redis_client import Redis, async_queue_client
from interconnect.door import Door
from interconnect.mllp import Frame
from tests.builders import adt

PAUSE = 0.005  # seconds between two messages


class SenderLoad:
    """One sender at the MLLP listener's door: entered, it sends; left, it has stopped.

    `accepted` holds the message and the time of every AA. Uses the queue's URL of the settings.
    """

    def __init__(self) -> None:
        self.accepted: dict[bytes, float] = {}
        self.refused = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._send()), name="sender")

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_for_more()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    async def _send(self) -> None:
        number = 0
        async with async_queue_client() as client:
            door = Door(client)
            while not self._stop.is_set():
                number += 1
                message = adt("A01", mrn=f"{number:08}")
                answers = await door.answer([Frame(message)], "load")
                if b"MSA|AA" in answers[0]:
                    self.accepted[message] = time.monotonic()
                else:
                    self.refused += 1
                await asyncio.sleep(PAUSE)

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
