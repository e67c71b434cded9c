"""Reading the messages that come next while PostgreSQL is busy with those at hand.

Nothing is taken from the queue for it: a reading is used where the next claim brings the very bytes it was made of.
Beside a claim that came back nothing is read, so that a message that kills its reader does so when it is claimed,
where the canary finds it.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from redis.exceptions import RedisError

from interconnect.consumer.delivery import Delivery
from interconnect.consumer.queue import Claim, InboundQueue
from vitals.codes import NO_LOCAL_CODES, LocalCodes


class ReadAhead:
    """Readings of what was next when the queue was last looked at."""

    def __init__(self) -> None:
        self._readings: list[Delivery] = []
        self._codes = NO_LOCAL_CODES

    def deliveries(self, messages: Sequence[bytes], codes: LocalCodes) -> list[Delivery]:
        """Return these messages as deliveries that have been read, ahead or now."""
        readings, self._readings = self._readings, []
        if codes != self._codes:
            readings = []
        return [
            reading if reading and reading.raw == raw else Delivery(ordinal, raw).interpret(local_codes=codes)
            for ordinal, (raw, reading) in enumerate(zip_longest(messages, readings[: len(messages)]))
        ]

    def steps(self, queue: InboundQueue, claim: Claim, size: int, codes: LocalCodes) -> Iterator[None]:
        """Read what the next claim will probably bring, a message at each step."""
        if len(claim.messages) < size or claim.takeovers:
            return
        self._codes = codes
        try:
            messages = queue.peek(size)
        except RedisError:
            return  # the next claim says it
        for ordinal, raw in enumerate(messages):
            reading = Delivery(ordinal, raw).interpret(local_codes=codes)
            _ = reading.named  # remembered
            self._readings.append(reading)
            yield
