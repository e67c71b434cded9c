"""What becomes of frames at the door: good ones are queued and only then acknowledged, others are refused."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

from redis.exceptions import RedisError, ResponseError

from epicops import keys
from epicops.breaker import Breaker, CircuitOpen
from epicops.crypto import ring
from epicops.redis_client import AsyncRedis
from interconnect.ack import Error, acknowledge, header, wants_answer
from interconnect.mllp import Event, Fault, Frame, Incident

logger = logging.getLogger(__name__)

PUSHES = 50  # at once; fewer than the client's connections, so that a push never fails for want of one

EMPTY = Error("101", "The frame is empty", ("MSH", "1"))
NOT_HL7 = Error("100", "The frame does not begin with an MSH segment", ("MSH", "1"))
NO_CONTROL_ID = Error("101", "MSH-10 is empty", ("MSH", "1", "10"))
OVERSIZE = Error("207", "The frame is larger than this receiver takes")
NOT_STORED = Error("207", "The message could not be stored; send it again")


class Door:
    """Queues what senders deliver. AA means that the queue's server confirmed the message."""

    def __init__(self, queue: AsyncRedis) -> None:
        self._queue = queue
        self._breaker = Breaker("queue")
        self._slots = asyncio.Semaphore(PUSHES)

    async def answer(self, events: Sequence[Event], peer: str) -> list[bytes]:
        """Queue the good frames of one read, oldest first; return the answers in the order of the frames."""
        frames = [event for event in events if isinstance(event, Frame) or event.fault is Fault.OVERSIZE]
        refusals = [refusal(frame) for frame in frames]
        log_faults(events, refusals, peer)
        good = [raw_of(frame) for frame, error in zip(frames, refusals, strict=True) if error is None]
        is_stored = await self._store(good)
        answers = zip(map(raw_of, frames), refusals, strict=True)
        return [reply(raw, error, is_stored=is_stored) for raw, error in answers if wants_answer(raw)]

    async def _store(self, messages: list[bytes]) -> bool:
        """Say whether the queue has them all. False also when the outcome is unknown: the sender resends."""
        if not messages:
            return True
        try:
            async with self._slots:
                with self._breaker.guard():
                    # One command for all: LPUSH a b c puts a, the oldest, nearest to the worker's end.
                    await self._queue.lpush(keys.QUEUE, *(ring().seal(raw, "message") for raw in messages))
        except ResponseError as error:  # read-only replica, out of memory: the breaker does not log these
            logger.warning("queue refused messages", extra={"count": len(messages), "error": type(error).__name__})
            return False
        except (CircuitOpen, RedisError, OSError):
            return False
        return True


def refusal(frame: Event) -> Error | None:
    """Return why a frame will never be accepted, or None for one that can be queued."""
    if isinstance(frame, Incident):
        return OVERSIZE
    if not frame.payload.strip():
        return EMPTY
    if (msh := header(frame.payload)) is None:
        return NOT_HL7
    return None if msh.field(10) else NO_CONTROL_ID


def reply(raw: bytes, error: Error | None, *, is_stored: bool) -> bytes:
    if error is not None:
        return acknowledge(raw, "AR", error=error)
    return acknowledge(raw, "AA") if is_stored else acknowledge(raw, "AE", error=NOT_STORED)


def raw_of(event: Event) -> bytes:
    return event.payload if isinstance(event, Frame) else event.head


def log_faults(events: Sequence[Event], refusals: Sequence[Error | None], peer: str) -> None:
    """Log what one read brought that will not be queued: how much of what, never its content."""
    incidents = [event for event in events if isinstance(event, Incident)]
    reasons = Counter(
        [event.fault.value for event in incidents] + [error.text for error in refusals if error is not None]
    )
    if reasons:
        logger.warning("frames refused", extra={"peer": peer, "reasons": dict(reasons)})
