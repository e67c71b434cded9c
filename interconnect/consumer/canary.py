"""Finding the message that kills workers.

A claim that came back twice is suspicious: its messages are taken one by one, and before each its number is written
down in Redis. Whoever finds that number after a death knows which message it was. A message at which three workers
died becomes a dead letter; the rest of the claim goes on in its order.

A worker that only lost a connection takes its note away. Where it could not, because Redis itself went down, the note
names a run of Redis that is over and counts for nothing: an outage is charged to no message.

A person may name a message to be put aside as well (inflight.py).
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, Self

from redis.exceptions import RedisError

from epicops import keys
from epicops.redis_client import Redis
from interconnect.consumer.delivery import Delivery
from interconnect.consumer.queue import Claim
from interconnect.hl7.rejected import MessageRejected
from vitals.codes import LocalCodes

SUSPICIOUS: Final = 2  # takeovers; one is what any restart or outage causes
DEADLY: Final = 3  # deaths at one message; fewer may be an operator's kill -9 or the machine's
ASIDE: Final = b"aside:"


class Canary:
    """Remembers at which messages of one claim workers died."""

    def __init__(self, client: Redis, claim: Claim, worker: str, lane: int = 0) -> None:
        self._client = client
        self._key = keys.canary(lane)
        self._worker = worker
        noted: dict[Any, Any] = client.hgetall(self._key)
        if noted.get(b"batch") != str(claim.id).encode():
            noted = {}
            client.delete(self._key)
            client.hset(self._key, "batch", str(claim.id))
        self._deaths = {int(field): int(count) for field, count in noted.items() if field.isdigit()}
        self._aside = {int(field.removeprefix(ASIDE)) for field in noted if field.startswith(ASIDE)}
        self._run: str = client.info("server")["run_id"]
        ordinal, run, victim = noted.get(b"at", b":::").decode().split(":", 2)
        if ordinal and run == self._run and victim != worker:
            self._deaths[int(ordinal)] = client.hincrby(self._key, ordinal, 1)
        client.hdel(self._key, "at")

    @classmethod
    def for_claim(cls, client: Redis, claim: Claim, worker: str, lane: int = 0) -> Self | None:
        """Return a canary where the claim is suspicious, else None."""
        return cls(client, claim, worker, lane) if claim.takeovers >= SUSPICIOUS else None

    def verdict(self, ordinal: int) -> MessageRejected | None:
        """Return why this message must not be tried again, None when it may be."""
        if ordinal in self._aside:
            return MessageRejected("quarantined", "An operator put it aside while it was in flight")
        deaths = self._deaths.get(ordinal, 0)
        if deaths < DEADLY:
            return None
        return MessageRejected("worker-crash", f"{deaths} workers died at this message")

    def readings(self, messages: Iterable[bytes], codes: LocalCodes) -> list[Delivery]:
        """Return the claim's messages read, each once it is written down; those to be put aside are dead."""
        deliveries = [Delivery(ordinal, raw) for ordinal, raw in enumerate(messages)]
        for delivery in self.one_by_one(deliveries):
            delivery.interpret(self.verdict(delivery.ordinal), codes)
        return deliveries

    def one_by_one(self, deliveries: Iterable[Delivery]) -> Iterator[Delivery]:
        """Yield the deliveries, each once it is written down; a death after the last one is charged to none."""
        try:
            for delivery in deliveries:
                self._client.hset(self._key, "at", f"{delivery.ordinal}:{self._run}:{self._worker}")
                yield delivery
        finally:
            with suppress(RedisError):
                self._client.hdel(self._key, "at")
