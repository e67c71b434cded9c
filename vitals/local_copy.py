"""A process' own copies of what the cache server holds, dropped the moment the server says that a key changed.

One RESP3 connection per process tracks whole prefixes (`CLIENT TRACKING ON BCAST`), so the server keeps no table. A
thread reads it and asks PING: the answer comes behind every change made before it, so copies are used only while the
last answer is less than a second old. Each copy also ends when its key does: expiry is announced late, by up to 17 s
on a server with many keys. Whatever fails here, readers go to Redis as if nothing was copied.

redis-py's own client-side cache refuses Redis 7.0 and Valkey, and stalls with two threads (redis-py 8.1).
"""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from redis.connection import AbstractConnection
from redis.exceptions import RedisError

from epicops import keys
from epicops.clock import now
from epicops.redis_client import cache_can_be_followed, cache_tracking_connection

logger = logging.getLogger(__name__)

CONFIRMED_WITHIN: Final = 1.0  # seconds; the age a copy may have beyond what the server said
PING_SECONDS: Final = 0.25
RECONNECT_SECONDS: Final = 0.5
BUDGET: Final = 32 * 1024 * 1024  # bytes
LARGEST: Final = 8  # one copy may take so much of the budget: an eighth
REMEMBERED: Final = 10_000  # changed keys, for reads in flight


class Copy(NamedTuple):
    value: Any
    size: int  # bytes, as its owner estimates them
    until: float  # when the key expires, on `epicops.clock`


class LocalCopies:
    """Copies by key. Reading one takes no lock. Values are shared between threads: they must be immutable."""

    def __init__(
        self, connect: Callable[[], AbstractConnection], *, budget: int = BUDGET, clock: Callable[[], float] = now
    ) -> None:
        self._connect = connect
        self._budget = budget
        self._clock = clock
        self._forget()
        os.register_at_fork(after_in_child=self._forget_connection)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._copies: dict[str, Copy] = {}  # oldest first
        self._bytes = 0
        self._changes = 0  # how many the server has told
        self._changed: dict[str, int] = {}  # the number of each key's last change
        self._floor = 0  # tickets older than this are void
        self._confirmed_at = -math.inf
        self._thread: threading.Thread | None = None
        self._connection: AbstractConnection | None = None

    def _forget_connection(self) -> None:
        """Start empty in a forked child, which has no thread and shares its parent's socket. No old lock is touched."""
        connection = self._connection
        self._forget()
        if connection is not None:
            connection.disconnect()  # type: ignore[no-untyped-call]  # closes the child's descriptor, shuts nothing down

    @property
    def is_started(self) -> bool:
        """Whether this process keeps copies at all."""
        return self._thread is not None

    @property
    def is_confirmed(self) -> bool:
        """Whether the server has lately confirmed that nothing else changed."""
        return self._clock() - self._confirmed_at < CONFIRMED_WITHIN

    @property
    def size(self) -> int:
        """Bytes that the copies take."""
        return self._bytes

    def get(self, key: str) -> Any:
        """Return the copy of a key's value, None without one that may be used."""
        copy = self._copies.get(key)
        if copy is None:
            return None
        time_now = self._clock()
        return copy.value if time_now < copy.until and time_now - self._confirmed_at < CONFIRMED_WITHIN else None

    def ticket(self) -> int:
        """Return what `put` needs, before the value is asked for."""
        return self._changes

    def put(self, key: str, value: Any, size: int, until: float, ticket: int) -> None:
        """Keep a value, unless the server has told of a change to the key since the ticket."""
        if size > self._budget // LARGEST or not self.is_confirmed:
            return
        with self._lock:
            if ticket < self._floor or self._changed.get(key, 0) > ticket:
                return
            self._drop(key)
            self._copies[key] = Copy(value, size, until)
            self._bytes += size
            while self._bytes > self._budget:
                self._drop(next(iter(self._copies)))

    def start(self) -> None:
        """Follow the server from a thread of this process."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="local-copies", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Keep no copies any more."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        self._clear()

    def _run(self) -> None:
        while self._thread is threading.current_thread():
            try:
                self._connection = self._connect()
                self._follow(self._connection)
            except (RedisError, OSError) as error:
                if self._confirmed_at > -math.inf:
                    logger.warning("local copies off", extra={"error": type(error).__name__})
            finally:
                self._clear()
                if self._connection is not None:
                    self._connection.disconnect()  # type: ignore[no-untyped-call]
                    self._connection = None
            time.sleep(RECONNECT_SECONDS)

    def _follow(self, connection: AbstractConnection) -> None:
        """Drop what changes, until the connection breaks or `stop`."""
        connection._parser.set_invalidation_push_handler(self._told)  # noqa: SLF001  redis-py's own cache does
        prefixes = [part for prefix in keys.CACHED for part in ("PREFIX", prefix)]
        connection.send_command("CLIENT", "TRACKING", "ON", "BCAST", *prefixes)  # type: ignore[no-untyped-call]
        connection.read_response()
        self._clear()  # voids what readers asked for before the tracking began
        while self._thread is threading.current_thread():
            asked_at = self._clock()
            connection.send_command("PING")  # type: ignore[no-untyped-call]
            connection.read_response()  # handles every change told before it
            self._confirmed_at = asked_at
            while (left := asked_at + PING_SECONDS - self._clock()) > 0 and connection.can_read(left):
                connection.read_response(push_request=True)

    def _told(self, message: Sequence[Any]) -> None:
        """Drop the keys the server names; all of them when it names none, as after FLUSHALL."""
        if message[1] is None:
            self._clear(is_connected=True)
            return
        with self._lock:
            self._changes += 1
            for name in message[1]:
                key = name.decode(errors="replace")
                self._drop(key)
                self._changed[key] = self._changes
            if len(self._changed) > REMEMBERED:
                self._changed.clear()
                self._floor = self._changes

    def _drop(self, key: str) -> None:
        if (copy := self._copies.pop(key, None)) is not None:
            self._bytes -= copy.size

    def _clear(self, *, is_connected: bool = False) -> None:
        if not is_connected:
            self._confirmed_at = -math.inf  # first: readers take no lock
        with self._lock:
            self._copies.clear()
            self._bytes = 0
            self._changes += 1
            self._floor = self._changes


copies: Final = LocalCopies(cache_tracking_connection)


def keep_copies() -> None:
    """Have this process keep copies where one connection hears of every change: not of a Cluster, nor of replicas."""
    if cache_can_be_followed():
        copies.start()
