"""The worker's loop: claim, read, commit, write through, acknowledge."""

import logging
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import InterfaceError, OperationalError
from redis.exceptions import RedisError

from epicops.redis_client import Redis
from epicops.shutdown import StopFlag
from interconnect.apply import apply_batch
from interconnect.dead_letters import push_outbox, requested_replays
from interconnect.delivery import Delivery
from interconnect.ownership import owned_queue
from interconnect.queue import Fenced, InboundQueue, Paused, uuid7
from vitals import cache, whereabouts
from vitals.codes import local_codes

logger = logging.getLogger(__name__)

IDLE_SECONDS = (0.02, 0.2)  # first and longest pause of an idle worker
OUTAGE_SECONDS = (0.1, 2.0)  # first and longest pause while Redis or PostgreSQL is away
HOUSEKEEPING_SECONDS = 0.5  # how long a requested replay may wait while the queue is busy


@dataclass(slots=True)
class Tally:
    """What one worker process has done so far."""

    messages: Counter[str] = field(default_factory=Counter)  # by status
    batches: int = 0
    redelivered: int = 0  # batches that had been committed before


class Worker:
    """Applies the inbound queue for as long as it owns it."""

    def __init__(self, client: Redis, *, size: int, drain: bool, stop: StopFlag) -> None:
        self.tally = Tally()
        # Random per process: a name that a restart reuses would hide the one before.
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._client = client
        self._size = size
        self._drain = drain
        self._stop = stop

    def run(self) -> None:
        """Apply messages until asked to stop, or with `drain` until nothing is left. An outage is waited out."""
        pause = OUTAGE_SECONDS[0]
        while not self._stop.requested:
            try:
                with owned_queue(self._client, self._stop) as queue:
                    if queue is not None:
                        logger.info("queue owned", extra={"worker": self.name})
                        pause = OUTAGE_SECONDS[0]
                        self._work(queue)
                    return
            except (RedisError, OperationalError, InterfaceError, Fenced) as error:
                logger.warning("worker waits", extra={"worker": self.name, "error": type(error).__name__})
                time.sleep(pause)
                pause = min(pause * 2, OUTAGE_SECONDS[1])

    def _work(self, queue: InboundQueue) -> None:
        pause, last_housekeeping = IDLE_SECONDS[0], 0.0
        while not self._stop.requested:
            busy = self._step(queue)
            if not busy or time.monotonic() - last_housekeeping > HOUSEKEEPING_SECONDS:
                busy |= self._housekeeping()
                last_housekeeping = time.monotonic()
            if busy:
                pause = IDLE_SECONDS[0]
            elif self._drain:
                return
            else:
                time.sleep(pause)
                pause = min(pause * 2, IDLE_SECONDS[1])

    def _step(self, queue: InboundQueue) -> bool:
        """Take one claim through; False when there was nothing to take."""
        try:
            claim = queue.claim(self._size)
        except Paused:
            return False
        if claim is None:
            return False
        self._commit(claim.id, [Delivery(ordinal, raw) for ordinal, raw in enumerate(claim.messages)])
        queue.acknowledge(claim)
        return True

    def _housekeeping(self) -> bool:
        """Deliver requested replays and flush the dead-letter outbox; say whether there was anything to do."""
        replays = requested_replays(self._size)
        if replays:
            self._commit(uuid7(), replays)
        return bool(replays) | bool(push_outbox(self._client))

    def _commit(self, batch_id: UUID, deliveries: Sequence[Delivery]) -> None:
        codes = local_codes()
        for delivery in deliveries:
            delivery.interpret(codes)
        effects = apply_batch(batch_id, deliveries, self.name)
        if effects is None:
            self.tally.redelivered += 1
            return
        self.tally.batches += 1
        self.tally.messages.update(delivery.status.value for delivery in deliveries)
        cache.write_through(effects.beds)
        whereabouts.write_through(effects.moved, effects.places)
