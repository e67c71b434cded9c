"""Finding the message that kills workers.

A claim that came back twice is suspicious: its messages are taken one by one, and before each its number is written
down in Redis. Whoever finds that number after a death knows which message it was. A message at which three workers
died becomes a dead letter; the rest of the claim goes on in its order.

What is delivered again, or comes from elsewhere than the queue, is suspicious after as many attempts; a message that
was convicted before and is replayed is so at once, and one more death is enough.

A worker that only lost a connection takes its note away. Where it could not, because Redis itself went down, the note
names a run of Redis that is over and counts for nothing: an outage is charged to no message.

A person may name a message to be put aside as well (inflight.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, Self

from redis.exceptions import RedisError

from epicops import keys
from epicops.redis_client import Redis
from interconnect.consumer.delivery import Delivery
from interconnect.consumer.queue import SUSPICIOUS, Claim
from interconnect.hl7.rejected import MessageRejected
from vitals.codes import LocalCodes

DEADLY: Final = 3  # deaths at one message; fewer may be an operator's kill -9 or the machine's
WORKER_CRASH: Final = "worker-crash"
ASIDE: Final = b"aside:"
OTHERS: Final = "others"  # whatever they are this time: each has its own mark


class Canary:
    """Remembers at which messages of one claim, or of what is delivered beside claims, workers died."""

    def __init__(self, client: Redis, key: str, batch: str, worker: str) -> None:
        self._client = client
        self._key = key
        self._worker = worker
        noted: dict[Any, Any] = client.hgetall(self._key)
        if noted.get(b"batch") != batch.encode():
            noted = {}
            client.delete(self._key)
            client.hset(self._key, "batch", batch)
        self._deaths = {int(field): int(count) for field, count in noted.items() if field.isdigit()}
        self._aside = {int(field.removeprefix(ASIDE)) for field in noted if field.startswith(ASIDE)}
        self._run: str = client.info("server")["run_id"]
        mark, run, victim = noted.get(b"at", b":::").decode().split(":", 2)
        if mark and run == self._run and victim != worker:
            self._deaths[int(mark)] = client.hincrby(self._key, mark, 1)
        client.hdel(self._key, "at")

    @classmethod
    def for_claim(cls, client: Redis, claim: Claim, worker: str, lane: int = 0) -> Self | None:
        """Return a canary where the claim is suspicious, else None."""
        return cls(client, keys.canary(lane), str(claim.id), worker) if claim.is_suspicious else None

    @classmethod
    def for_others(cls, client: Redis, key: str, deliveries: Sequence[Delivery], worker: str) -> Self | None:
        """Return a canary where these, which are no claim, are suspicious, else None; `key` goes once they are done."""
        attempts = client.hincrby(key, "attempts", 1)
        if attempts <= SUSPICIOUS and not any(delivery.has_killed for delivery in deliveries):
            return None
        client.hset(key, "batch", OTHERS)
        return cls(client, key, OTHERS, worker)

    def verdict(self, delivery: Delivery) -> MessageRejected | None:
        """Return why this message must not be tried again, None when it may be."""
        if delivery.mark in self._aside:
            return MessageRejected("quarantined", "An operator put it aside while it was in flight")
        deaths, earlier = self._deaths.get(delivery.mark, 0), DEADLY if delivery.has_killed else 0
        if deaths == 0 or deaths + earlier < DEADLY:
            return None
        return MessageRejected(WORKER_CRASH, f"{deaths + earlier} workers died at this message")

    def readings(self, messages: Iterable[bytes], codes: LocalCodes) -> list[Delivery]:
        """Return the claim's messages read, each once it is written down; those to be put aside are dead."""
        deliveries = [Delivery(ordinal, raw) for ordinal, raw in enumerate(messages)]
        self.interpret(deliveries, codes)
        return deliveries

    def interpret(self, deliveries: Iterable[Delivery], codes: LocalCodes) -> None:
        """Read these messages, each once it is written down; those to be put aside are dead."""
        for delivery in self.one_by_one(deliveries):
            delivery.interpret(self.verdict(delivery), codes)

    def one_by_one(self, deliveries: Iterable[Delivery]) -> Iterator[Delivery]:
        """Yield the deliveries, each once it is written down; a death after the last one is charged to none."""
        try:
            for delivery in deliveries:
                self._client.hset(self._key, "at", f"{delivery.mark}:{self._run}:{self._worker}")
                yield delivery
        finally:
            with suppress(RedisError):
                self._client.hdel(self._key, "at")
