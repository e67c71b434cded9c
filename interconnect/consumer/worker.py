"""The worker's loop: claim, read, commit, write through, acknowledge."""

import logging
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Sequence
from enum import Enum
from functools import partial
from uuid import UUID

from django.db import InterfaceError, InternalError, OperationalError, connection
from redis.exceptions import RedisError
from structlog.contextvars import bound_contextvars

from epicops import keys, systemd
from epicops.meanwhile import meanwhile
from epicops.redis_client import Redis
from epicops.shutdown import StopFlag
from interconnect.consumer import oversize, pausing
from interconnect.consumer.apply import apply_batch
from interconnect.consumer.canary import Canary
from interconnect.consumer.dealing import Dealer, resize
from interconnect.consumer.delivery import Delivery
from interconnect.consumer.guard import Guard
from interconnect.consumer.heartbeat import EVERY, beat, leaves
from interconnect.consumer.outage import Outage
from interconnect.consumer.ownership import HUNG_SECONDS, give_sign, owned_queue
from interconnect.consumer.queue import Claim, Fenced, InboundQueue, Paused, ServerChanged, uuid7
from interconnect.consumer.read_ahead import ReadAhead
from interconnect.consumer.tally import Tally
from interconnect.consumer.unwritten import last_effects
from interconnect.dlq import foreign, lateness, redrive
from interconnect.dlq.dead_letters import push_outbox, requested_replays
from interconnect.models import InboxMessage, Pause
from interconnect.wire import inbox
from vitals import cache, whereabouts
from vitals.codes import local_codes
from vitals.ingest import Effects

logger = logging.getLogger(__name__)

STOPPED_SECONDS = 0.02  # between two looks at a queue that is paused, or whose lanes have to be empty first
BEHIND_SECONDS = 2.0  # how long cached documents may be out of date while a backlog is worked off
REFRESH_SECONDS = 20.0  # between two renewals of the copies of where everybody is, which expire
HOUSEKEEPING_SECONDS = 0.5  # how long a requested replay may wait; also the longest silence towards PostgreSQL


class Step(Enum):
    """What came of asking for a claim."""

    TAKEN = "taken"
    EMPTY = "empty"
    STOPPED = "stopped"  # there may be messages, which must not be taken yet


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
        self.tally: Tally = Counter()
        # Random per process: a name that a restart reuses would hide the one before.
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._client = client
        self._size = size
        self._drain = drain
        self._stop = stop
        self._hung_seconds = hung_seconds
        self._ahead = ReadAhead()
        self._unwritten = Effects()
        self._foreign = foreign.Foreign(client)
        self._last_beat = self._refreshed_at = self._written_through_at = float("-inf")
        self._outage = Outage(self.name)
        self._lane = lane
        self._lanes = lane_count
        self._dealer: Dealer | None = None  # of lane 0, where there are others

    def run(self) -> None:
        """Apply messages until asked to stop, or with `drain` until nothing is left. An outage is waited out."""
        with leaves(self._client, f"worker {self.name}"):
            self._run()

    def _run(self) -> None:
        systemd.notify("READY=1", "STATUS=standing by")
        logger.info("standing by", extra={"worker": self.name})
        while not self._stop.requested:
            try:
                with owned_queue(
                    self._client,
                    self._stop,
                    on_standby=self._stand_by,
                    lane=self._lane,
                    hung_seconds=self._hung_seconds,
                ) as queue:
                    if queue is not None:
                        self._own(queue)
                    return
            except (RedisError, OperationalError, InterfaceError, InternalError, Fenced, ServerChanged) as error:
                self._outage.wait(error)

    def _stand_by(self) -> None:
        self._beat()
        self._outage.over("standing by")

    def _own(self, queue: InboundQueue) -> None:
        logger.info("queue owned", extra={"worker": self.name})
        systemd.notify("STATUS=owns the queue")
        self.tally["owners"] = 1
        try:
            self._work(queue)
        finally:
            self.tally["owners"] = 0

    def _work(self, queue: InboundQueue) -> None:
        last_housekeeping = 0.0
        guard = Guard(self._client, self.name, queue.run_id, self._lane)
        self._unwritten |= last_effects()
        if self._lane == 0:
            pausing.publish(self._client)
            take_through = partial(self._take_through, guard)
            resize(self._client, self._lanes, self._size, self._stop, take_through=take_through, on_wait=self._beat)
            self._dealer = Dealer(queue, self._lanes, take_through) if self._lanes > 1 else None
        while not self._stop.requested:
            self._beat()
            step = self._step(queue, guard)
            busy = step is Step.TAKEN
            self._outage.over("owns the queue")
            is_due = (self._drain and not busy) or time.monotonic() - last_housekeeping > HOUSEKEEPING_SECONDS
            if is_due:
                if self._lane == 0:
                    guard.note()
                    busy |= self._housekeeping()
                else:
                    give_sign()
                last_housekeeping = time.monotonic()
            if busy:
                continue
            self._write_through()
            if self._drain and not (self._dealer and self._dealer.has_work):
                return
            if step is Step.EMPTY:
                queue.wait(HOUSEKEEPING_SECONDS)
            else:
                time.sleep(STOPPED_SECONDS)
        self._write_through()

    def _beat(self) -> None:
        if time.monotonic() - self._last_beat >= EVERY:
            beat(self._client, f"worker {self.name}")
            systemd.notify("WATCHDOG=1")
            self._last_beat = time.monotonic()

    def _step(self, queue: InboundQueue, guard: Guard) -> Step:
        """Take one claim through, or deal it out."""
        try:
            if self._dealer:
                return Step.TAKEN if self._dealer.step(self._size) else Step.STOPPED
            claim = queue.claim(self._size)
        except Paused:
            return Step.STOPPED
        if claim is None:
            return Step.EMPTY
        with bound_contextvars(worker=self.name, batch=str(claim.id)):  # for the log
            self._take_through(guard, queue, claim)
        return Step.TAKEN

    def _take_through(self, guard: Guard, queue: InboundQueue, claim: Claim) -> None:
        codes = local_codes()
        canary = Canary.for_claim(self._client, claim, self.name, queue.lane)
        if claim.slices:
            deliveries = [oversize.refused(queue, claim)]
        elif canary:
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
        """Deliver requested replays and what was held, empty outbox and inbox; say whether there was anything to do."""
        if not self._drain:  # a redrive has its own pace: who drains does not wait for it
            redrive.advance()
        if replays := requested_replays(self._size):  # before what was held until they are applied
            self._deliver(uuid7(), replays, keys.CANARY_REPLAYS)
        while self._may_release() and (released := pausing.released(self._size)):
            self._deliver(uuid7(), released, keys.CANARY_RELEASES)
        pausing.publish(self._client)
        if time.monotonic() - self._refreshed_at > REFRESH_SECONDS:
            whereabouts.refresh()
            self._refreshed_at = time.monotonic()
        while not self._stop.requested and (claim := self._foreign.take()):
            self._deliver(claim.id, foreign.as_dead(claim), keys.CANARY_FOREIGN)
            self._foreign.forget()
        # Looked into first: moving needs replicas, and working off the queue must not wait for them.
        moved = inbox.move(self._client) if InboxMessage.objects.exists() else 0
        return bool(replays) | bool(push_outbox(self._client)) | bool(moved)

    def _may_release(self) -> bool:
        """Whether held messages would neither overtake nor be overtaken by what lanes have."""
        if self._dealer and not self._dealer.rest(wanted=Pause.objects.over().exists()):
            return False
        return not self._stop.requested

    def _deliver(self, batch_id: UUID, deliveries: Sequence[Delivery], canary_key: str) -> None:
        """Apply what does not come from the queue."""
        self._beat()  # there may be thousands
        codes = local_codes()
        if canary := Canary.for_others(self._client, canary_key, deliveries, self.name):
            canary.interpret(deliveries, codes)
        else:
            for delivery in deliveries:
                delivery.interpret(local_codes=codes)
        lateness.respect(deliveries)
        self._commit(batch_id, deliveries, canary)
        self._client.delete(canary_key)

    def _commit(self, batch_id: UUID, deliveries: Sequence[Delivery], canary: Canary | None = None) -> None:
        one_by_one = canary.one_by_one if canary else None
        effects = apply_batch(batch_id, deliveries, self.name, one_by_one, self._lane)
        if effects is None:
            self.tally["redelivered"] += 1
            return
        self.tally["batches"] += 1
        self.tally.update(delivery.status.value for delivery in deliveries)
        self._unwritten |= effects
