"""Durable accept: where a message is when its sender reads AA.

On the queue, confirmed by its server (AOF always) and by as many replicas as the deployment asks for; else in the
inbox, confirmed by PostgreSQL. A push whose outcome is unknown counts as failed: the copy in the inbox, or the one the
sender sends again, is a duplicate that the worker recognises.
"""

import enum
import logging
from collections.abc import Sequence

from django.db import DatabaseError, InterfaceError
from redis.exceptions import RedisError, ResponseError

from epicops.breaker import Breaker, CircuitOpen
from epicops.redis_client import Redis
from interconnect.wire import inbox
from interconnect.wire.push import push, sealed

logger = logging.getLogger(__name__)


class Waiting(enum.Enum):
    """What this process knows of the inbox."""

    NOTHING = enum.auto()
    UNKNOWN = enum.auto()  # another process may have left messages there
    OURS = enum.auto()  # a push now would overtake messages this process put there


class Intake:
    """Stores messages; one caller at a time, who waits for the outcome before it stores what came later."""

    def __init__(self, queue: Redis, breaker: Breaker) -> None:
        self._queue = queue
        self._breaker = breaker
        self._waiting = Waiting.UNKNOWN

    def meet(self) -> None:
        """Note that a sender came who may have been with another process before."""
        if self._waiting is Waiting.NOTHING:
            self._waiting = Waiting.UNKNOWN

    def store(self, messages: Sequence[bytes]) -> bool:
        """Store the messages, oldest first; say whether all of them are safe."""
        values = sealed(messages)
        return (self._is_next() and self._push(values)) or self._keep(values)

    def _is_next(self) -> bool:
        """Say whether a push would overtake nothing in the inbox, after moving what waits there."""
        if (before := self._waiting) is Waiting.NOTHING:
            return True
        if self._breaker.is_open:
            return False
        self._waiting = Waiting.NOTHING  # before the look at the inbox: what `meet` says during it must stand
        try:
            with self._breaker.guard():
                if moved := inbox.move(self._queue):
                    logger.info("inbox moved to the queue", extra={"count": moved})
        except (CircuitOpen, RedisError, OSError):
            self._waiting = before
            return False
        except (DatabaseError, InterfaceError):
            self._waiting = before
            return before is Waiting.UNKNOWN  # PostgreSQL is away: better on the queue than nowhere
        return True

    def _push(self, values: Sequence[bytes]) -> bool:
        try:
            with self._breaker.guard():
                push(self._queue, values)
        except ResponseError as error:  # read-only replica, out of memory: the breaker does not log these
            logger.warning("queue refused messages", extra={"count": len(values), "error": type(error).__name__})
            return False
        except (CircuitOpen, RedisError, OSError):
            return False
        return True

    def _keep(self, values: Sequence[bytes]) -> bool:
        try:
            inbox.keep(values)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("inbox away", extra={"count": len(values), "error": type(error).__name__})
            return False
        self._waiting = Waiting.OURS
        return True
