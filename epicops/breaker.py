"""A circuit breaker per process and Redis role: one slow request pays for an outage, not every one."""

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

logger = logging.getLogger(__name__)

OPEN_SECONDS = 1.0
TRANSPORT = (RedisConnectionError, RedisTimeoutError, OSError)


class CircuitOpen(Exception):  # noqa: N818  named for the state, as in the literature
    """The server failed a moment ago; the caller goes to its fallback without trying."""


class Breaker:
    """Opens for about a second on a transport error; then one call at a time may try again."""

    def __init__(self, role: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.role = role
        self._clock = clock
        self._open_until = 0.0
        self._failing_since: float | None = None

    @property
    def is_open(self) -> bool:
        return self._clock() < self._open_until

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Run one Redis call; raise CircuitOpen instead while the circuit is open."""
        if self.is_open:
            raise CircuitOpen(self.role)
        if self._failing_since is not None:  # half open: others wait for this one's outcome
            self._open_until = self._clock() + OPEN_SECONDS
        try:
            yield
        except (ConnectionInterrupted, *TRANSPORT, ResponseError) as error:
            what = error.__cause__ if isinstance(error, ConnectionInterrupted) else error  # django-redis wraps it
            if isinstance(what, TRANSPORT):
                self._fail(what)
            else:
                self._recover()  # an error is an answer, too
            raise
        else:
            self._recover()

    def _fail(self, error: BaseException) -> None:
        self._open_until = self._clock() + OPEN_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311
        if self._failing_since is None:
            self._failing_since = self._clock()
            logger.error("redis unavailable", extra={"role": self.role, "error": type(error).__name__})

    def _recover(self) -> None:
        if self._failing_since is not None:
            seconds = round(self._clock() - self._failing_since, 3)
            logger.warning("redis back", extra={"role": self.role, "outage_seconds": seconds})
        self.close()

    def close(self) -> None:
        """Believe the server, as a process that has just started."""
        self._open_until = 0.0
        self._failing_since = None
