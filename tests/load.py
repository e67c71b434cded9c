"""What goes on during a failover: senders, people with sessions, boards; and what became of what they were told."""

import itertools
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import connections
from redis.exceptions import RedisError

from epicops import keys
from epicops.redis_client import DOOR_TIMEOUT, Redis, connect
from interconnect.wire.push import push
from sessions_app.backend import SessionStore
from tests.builders import adt
from tests.network import Network
from vitals.cache import read_beds
from vitals.models import Bed

PAUSE = 0.005  # seconds between two rounds


class Load(ABC):
    """One thread that does a thing over and over: entered, it goes on; left, it has stopped."""

    def __init__(self) -> None:
        self.done_at: list[float] = []  # when each round that succeeded ended
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__)

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait_for_more()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @abstractmethod
    def round(self, number: int) -> bool:
        """Do it once; return whether it succeeded."""

    def _run(self) -> None:
        try:
            for number in itertools.count(1):
                if self._stop.is_set():
                    return
                if self.round(number):
                    self.done_at.append(time.monotonic())
                time.sleep(PAUSE)
        finally:
            connections.close_all()  # this thread's

    def wait_for_more(self, count: int = 20, seconds: float = 30) -> None:
        """Return once so many more rounds succeeded."""
        wanted, deadline = len(self.done_at) + count, time.monotonic() + seconds
        while len(self.done_at) < wanted:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise AssertionError(f"{type(self).__name__} does not go on")
            time.sleep(0.01)

    @property
    def gap(self) -> float:
        """The longest time between two successes, in seconds."""
        return max(later - earlier for earlier, later in itertools.pairwise(self.done_at))


class SenderLoad(Load):
    """A sender whose messages the doors push to the queue of the settings; `accepted` are those that count as safe.

    Each is about the next patient, and later than the one before; with `patients` the first follows the last.
    """

    def __init__(self, first: int = 0, patients: int = 10_000_000) -> None:
        super().__init__()
        self._first, self._patients = first, patients  # the first one's number, and how many there are
        self.accepted: set[bytes] = set()
        self.refused = 0
        self._client = connect(settings.EPICOPS_REDIS_QUEUE_URL, timeout=DOOR_TIMEOUT)

    def round(self, number: int) -> bool:
        message = adt("A01", mrn=f"{self._first + number % self._patients:08}", minutes=number)
        try:
            push(self._client, [message])
        except (RedisError, OSError):
            self.refused += 1
            return False
        self.accepted.add(message)
        return True

    def lost(self, client: Redis) -> int:
        """How many accepted messages are not in the queue."""
        return len(self.accepted - set(client.lrange(keys.QUEUE, 0, -1)))


class SenderOn(SenderLoad):
    """A sender whose network is that of a host; its patients are others."""

    def __init__(self, network: Network, host: str) -> None:
        super().__init__(first=10_000_000)
        self._place = network, host

    def _run(self) -> None:
        network, host = self._place
        network.move_thread(host)
        super()._run()


class SessionLoad(Load):
    """Somebody logs in, opens a page, and logs out every second time."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: list[str] = []
        self.ended: list[str] = []

    def round(self, number: int) -> bool:
        login = SessionStore()
        login.update({"role": "nurse", "number": number})
        login.save()
        session = SessionStore(login.session_key)
        assert session["number"] == number
        if number % 2:
            session.flush()
        (self.ended if number % 2 else self.alive).append(str(login.session_key))
        return True

    def wrong(self) -> list[str]:
        """Those sessions that live though they ended, or do not though they should."""
        revived = [each for each in self.ended if SessionStore(each).load()]
        return revived + [each for each in self.alive if not SessionStore(each).load()]


class BoardLoad(Load):
    """A board that is read over and over."""

    def __init__(self, beds: Sequence[Bed]) -> None:
        super().__init__()
        self._beds = beds

    def round(self, number: int) -> bool:
        assert len(read_beds(self._beds)) == len(self._beds)
        return True
