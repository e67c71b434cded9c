"""Lane 0 when there are several lanes: dealing out, and stopping to deal for what concerns two patients."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from epicops.redis_client import Redis
from epicops.shutdown import StopFlag
from interconnect.consumer import lanes
from interconnect.consumer.ownership import free_lane
from interconnect.consumer.queue import Claim, InboundQueue, Paused
from interconnect.models import Batch

WAIT_SECONDS: Final = 0.02


class Dealer:
    """Deals the queue out to lanes; what has to stand alone is taken through between all of them."""

    def __init__(self, queue: InboundQueue, number: int, take_through: Callable[[InboundQueue, Claim], None]) -> None:
        self.is_resting = False
        self._queue = queue
        self._number = number
        self._take_through = take_through
        self._alone: Claim | None = None
        self._has_passed = False  # at the last step, because it rested then

    @property
    def has_empty_lanes(self) -> bool:
        return lanes.are_empty(self._queue.client, self._number)

    @property
    def has_work(self) -> bool:
        """Whether something waits for the lanes, or in them, or may wait on the queue."""
        return self._alone is not None or self.is_resting or self._has_passed or not self.has_empty_lanes

    def rest(self, *, wanted: bool) -> bool:
        """Deal nothing out for as long as somebody wants the lanes empty; return whether they are.

        What waits to stand alone goes first: it still obeys the pauses of when it was claimed.
        """
        self.is_resting = wanted
        return self._alone is None and self.has_empty_lanes

    def step(self, size: int) -> bool:
        """Deal one claim out; False when there was none, or when the lanes have to be empty first."""
        if self._alone is None and not self._deal(size):
            return False
        if self._alone is None:
            return True
        if not self.has_empty_lanes:
            return False
        claim, self._alone = self._alone, None
        self._take_through(self._queue, claim)
        return True

    def _deal(self, size: int) -> bool:
        self._has_passed = self.is_resting
        claim = None if self.is_resting else self._queue.claim(size)
        if claim is None:
            return False
        if claim.takeovers and Batch.objects.filter(pk=claim.id).exists():  # applied before; only not acknowledged
            self._queue.acknowledge(claim)
            return True
        # Nobody can read it; or it may kill who does, which is found where a claim's messages are taken one by one.
        if claim.slices or claim.is_suspicious:
            self._alone = claim
            return True
        planned = lanes.plan(claim.messages, self._number)
        lanes.deal(self._queue, claim, planned)
        if not planned:
            self._alone = Claim(claim.id, claim.messages[:1], claim.takeovers, claim.held)
        return True


def resize(
    client: Redis,
    number: int,
    size: int,
    stop: StopFlag,
    *,
    take_through: Callable[[InboundQueue, Claim], None],
    on_wait: Callable[[], None],
) -> None:
    """Deal out to `number` lanes from now on, once those of before are empty; lanes that nobody owns are worked off."""
    before = lanes.current(client)
    while before != number and not stop.requested:
        if lanes.are_empty(client, before):
            lanes.set_current(client, number)
            return
        for lane in range(1, before + 1):
            with free_lane(client, lane) as queue, suppress(Paused):
                while queue and (claim := queue.claim(size)):
                    take_through(queue, claim)
        on_wait()
        time.sleep(WAIT_SECONDS)
