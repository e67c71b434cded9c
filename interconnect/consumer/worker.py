"""The worker's loop: claim, read, commit, write through, acknowledge."""

import gc
import logging
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection
from redis.exceptions import RedisError
from structlog.contextvars import bound_contextvars

from epicops import systemd
from epicops.meanwhile import meanwhile
from epicops.redis_client import Redis
from epicops.shutdown import StopFlag
from interconnect.consumer import pausing
from interconnect.consumer.apply import apply_batch
from interconnect.consumer.canary import Canary
from interconnect.consumer.dealing import Dealer, resize
from interconnect.consumer.delivery import Delivery
from interconnect.consumer.guard import Guard
from interconnect.consumer.heartbeat import EVERY, beat, leaves
from interconnect.consumer.ownership import HUNG_SECONDS, owned_queue
from interconnect.consumer.queue import Claim, Fenced, InboundQueue, Paused, ServerChanged, uuid7
from interconnect.consumer.read_ahead import ReadAhead
from interconnect.consumer.unwritten import last_effects
from interconnect.dlq import foreign, lateness, redrive
from interconnect.dlq.dead_letters import push_outbox, requested_replays
from interconnect.models import Pause
from interconnect.wire import inbox
from vitals import cache, whereabouts
from vitals.codes import local_codes
from vitals.ingest import Effects

logger = logging.getLogger(__name__)

IDLE_SECONDS = (0.005, 0.02)  # first and longest pause of an idle worker: what a lone message waits at most
OUTAGE_SECONDS = (0.1, 2.0)  # first and longest pause while Redis or PostgreSQL is away
BEHIND_SECONDS = 1.0  # how long cached documents may be out of date while a backlog is worked off
REFRESH_SECONDS = 20.0  # between two renewals of the copies of where everybody is, which expire
HOUSEKEEPING_SECONDS = 0.5  # how long a requested replay may wait; also the longest silence towards PostgreSQL
OBJECTS_PER_COLLECTION = 50_000  # those of a batch: nearly all of them live until it is committed, and none longer


def tune_garbage_collection() -> None:
    """Set this process up for batches of many objects that live for as long as their batch."""
    gc.freeze()  # what start-up made stays: a full collection need not look at it again
    gc.set_threshold(OBJECTS_PER_COLLECTION)


@dataclass(slots=True)
class Tally:
    """What one worker process has done so far."""

    messages: Counter[str] = field(default_factory=Counter)  # by status
    batches: int = 0
    redelivered: int = 0  # batches that had been committed before


class Worker:
    """Applies the inbound queue for as long as it owns it."""

    def __init__(
        self,
        client: Redis,
        *,
        size: int,
        drain: bool,
        stop: StopFlag,
        hung_seconds: float = HUNG_SECONDS,
        lane: int = 0,
        lane_count: int = 1,
    ) -> None:
        self.tally = Tally()
        # Random per process: a name that a restart reuses would hide the one before.
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._client = client
        self._size = size
        self._drain = drain
        self._stop = stop
        self._hung_seconds = hung_seconds
        self._ahead = ReadAhead()
        self._unwritten = Effects()
        self._written_through_at = 0.0
        self._last_beat = self._refreshed_at = float("-inf")
        self._away_since: float | None = None  # when the outage at hand began
        self.is_owner = False
        self._lane = lane
        self._lanes = lane_count
        self._dealer: Dealer | None = None  # of lane 0, where there are others

    def run(self) -> None:
        """Apply messages until asked to stop, or with `drain` until nothing is left. An outage is waited out."""
        with leaves(self._client, f"worker {self.name}"):
            self._run()

    def _run(self) -> None:
        pause = OUTAGE_SECONDS[0]
        systemd.notify("READY=1", "STATUS=standing by")
        while not self._stop.requested:
            try:
                with owned_queue(
                    self._client,
                    self._stop,
                    on_standby=self._beat,
                    lane=self._lane,
                    hung_seconds=self._hung_seconds,
                ) as queue:
                    if queue is not None:
                        self._own(queue)
                    return
            except (RedisError, OperationalError, InterfaceError, Fenced, ServerChanged) as error:
                pause = OUTAGE_SECONDS[0] if self._away_since is None else min(pause * 2, OUTAGE_SECONDS[1])
                self._note_outage(type(error).__name__)
                time.sleep(pause)

    def _own(self, queue: InboundQueue) -> None:
        logger.info("queue owned", extra={"worker": self.name})
        systemd.notify("STATUS=owns the queue")
        self.is_owner = True
        try:
            self._work(queue)
        finally:
            self.is_owner = False

    def _note_outage(self, error: str) -> None:
        """Log the first failure only; every answer of a store that is no answer counts, MISCONF and OOM too."""
        systemd.notify("WATCHDOG=1", f"STATUS=waits: {error}")
        if self._away_since is None:
            self._away_since = time.monotonic()
            logger.warning("worker waits", extra={"worker": self.name, "error": error})

    def _note_recovery(self) -> None:
        if self._away_since is not None:
            seconds = round(time.monotonic() - self._away_since, 1)
            logger.info("worker goes on", extra={"worker": self.name, "seconds": seconds})
            self._away_since = None

    def _work(self, queue: InboundQueue) -> None:
        pause, last_housekeeping = IDLE_SECONDS[0], 0.0
        guard = Guard(self._client, self.name, queue.run_id, self._lane)
        self._unwritten |= last_effects()
        if self._lane == 0:
            pausing.publish(self._client)
            take_through = partial(self._take_through, guard)
            resize(self._client, self._lanes, self._size, self._stop, take_through=take_through, on_wait=self._beat)
            self._dealer = Dealer(queue, self._lanes, take_through) if self._lanes > 1 else None
        while not self._stop.requested:
            self._beat()
            busy = self._step(queue, guard)
            self._note_recovery()
            is_due = (self._drain and not busy) or time.monotonic() - last_housekeeping > HOUSEKEEPING_SECONDS
            if is_due and self._lane == 0:
                guard.note()
                busy |= self._housekeeping()
                last_housekeeping = time.monotonic()
            if busy:
                pause = IDLE_SECONDS[0]
                continue
            self._write_through()
            if self._drain and not (self._dealer and self._dealer.has_work):
                return
            time.sleep(pause)
            pause = min(pause * 2, IDLE_SECONDS[1])
        self._write_through()

    def _beat(self) -> None:
        if time.monotonic() - self._last_beat >= EVERY:
            beat(self._client, f"worker {self.name}")
            systemd.notify("WATCHDOG=1")
            self._last_beat = time.monotonic()

    def _step(self, queue: InboundQueue, guard: Guard) -> bool:
        """Take one claim through, or deal it out; False when there was nothing to take."""
        try:
            if self._dealer:
                return self._dealer.step(self._size)
            claim = queue.claim(self._size)
        except Paused:
            return False
        if claim is None:
            return False
        with bound_contextvars(worker=self.name, batch=str(claim.id)):  # for the log
            self._take_through(guard, queue, claim)
        return True

    def _take_through(self, guard: Guard, queue: InboundQueue, claim: Claim) -> None:
        codes = local_codes()
        if canary := Canary.for_claim(self._client, claim, self.name, queue.lane):
            deliveries = canary.readings(claim.messages, codes)
        else:
            deliveries = self._ahead.deliveries(claim.messages, codes)
        came_back = guard.recognise(deliveries)
        pausing.hold(deliveries, claim.held)
        with meanwhile(connection, self._ahead.steps(queue, claim, self._size, codes)):
            self._commit(claim.id, deliveries, canary)
        queue.acknowledge(claim)
        guard.passed(len(deliveries), came_back)
        # In a backlog the next claims change the same beds again: their documents are written once for all of them.
        if len(claim.messages) < self._size or time.monotonic() - self._written_through_at > BEHIND_SECONDS:
            self._write_through()

    def _write_through(self) -> None:
        effects, self._unwritten = self._unwritten, Effects()
        cache.write_through(effects.beds)
        whereabouts.write_through(effects.moved, effects.places)
        self._written_through_at = time.monotonic()

    def _housekeeping(self) -> bool:
        """Deliver what was held and requested replays, empty outbox and inbox; say whether there was anything to do."""
        if not self._drain:  # a redrive has its own pace: who drains does not wait for it
            redrive.advance()
        while self._may_release() and (released := pausing.released(self._size)):
            self._deliver(uuid7(), released)
        pausing.publish(self._client)
        if time.monotonic() - self._refreshed_at > REFRESH_SECONDS:
            whereabouts.refresh()
            self._refreshed_at = time.monotonic()
        while not self._stop.requested and (claim := foreign.take(self._client)):
            self._deliver(claim.id, foreign.as_dead(claim))
            foreign.forget(self._client)
        replays = requested_replays(self._size)
        if replays:
            self._deliver(uuid7(), replays)
        return bool(replays) | bool(push_outbox(self._client)) | bool(inbox.move(self._client))

    def _may_release(self) -> bool:
        """Whether held messages would neither overtake nor be overtaken by what lanes have."""
        if self._dealer and not self._dealer.rest(wanted=Pause.objects.over().exists()):
            return False
        return not self._stop.requested

    def _deliver(self, batch_id: UUID, deliveries: Sequence[Delivery]) -> None:
        """Apply what does not come from the queue."""
        self._beat()  # there may be thousands
        codes = local_codes()
        for delivery in deliveries:
            delivery.interpret(local_codes=codes)
        lateness.respect(deliveries)
        self._commit(batch_id, deliveries)

    def _commit(self, batch_id: UUID, deliveries: Sequence[Delivery], canary: Canary | None = None) -> None:
        one_by_one = canary.one_by_one if canary else None
        effects = apply_batch(batch_id, deliveries, self.name, one_by_one, self._lane)
        if effects is None:
            self.tally.redelivered += 1
            return
        self.tally.batches += 1
        self.tally.messages.update(delivery.status.value for delivery in deliveries)
        self._unwritten |= effects
