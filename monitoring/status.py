"""How the whole system is, at a glance. A part that is away is reported as such and never hides the others."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Max, Sum
from django.db.models.functions import Now
from django.utils import timezone

from epicops.redis_client import queue_web_client
from interconnect.consumer.heartbeat import Program
from interconnect.feed.sequence_scan import SETTLED
from interconnect.models import Batch, DeadLetter, InboundMessage, InboxMessage, Pause
from interconnect.status import Queue, read_queue
from monitoring.health import KINDS, answer, running, servers
from monitoring.models import Sample

RATE_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Totals:
    """What is in PostgreSQL, counted over all time but for the open dead letters, `inbox` and `rate`.

    `inbox` counts what waits for the queue's server; `rate` is messages per second, applied, skipped or dead, in the
    last minute.
    """

    applied: int
    skipped: int
    dead: int
    open_dead_letters: int
    inbox: int
    last_batch_at: datetime | None
    rate: float


@dataclass(frozen=True, slots=True)
class Status:
    """None stands for a part that did not answer."""

    queue: Queue | None
    totals: Totals | None
    servers: dict[str, bool]
    programs: list[Program] | None
    pauses: list[Pause] | None
    at: datetime

    @property
    def parts(self) -> dict[str, bool | None]:
        """Say of every server, and of worker and listener, whether one is up; None when nobody can know."""
        return {**self.servers, **dict.fromkeys(KINDS)} | {
            kind: any(program.is_up for program in self.programs if program.kind == kind)
            for kind in KINDS
            if self.programs is not None
        }

    @property
    def drained_at(self) -> datetime | None:
        """When the queue is empty if all goes on as in the last minute; None when it does not shrink."""
        if not self.queue or not self.totals or not self.queue.waiting or not self.totals.rate:
            return None
        return self.at + timedelta(seconds=self.queue.waiting / self.totals.rate)


def status() -> Status:
    """Return how things are now; never raises for a server that is away."""
    return Status(
        queue=answer(lambda: read_queue(queue_web_client())),
        totals=answer(read_totals),
        servers=servers(),
        programs=running(),
        pauses=answer(lambda: list(Pause.objects.in_force().select_related("paused_by"))),
        at=timezone.now(),
    )


def read_totals() -> Totals:
    """Count on from the monitor's last sample: a million messages are not counted for every look."""
    recent = Batch.objects.filter(pk__gte=_first_id(time.time() - RATE_SECONDS)).aggregate(size=Sum("size"))
    return Totals(
        **handled(_last_sample()),
        open_dead_letters=DeadLetter.objects.open().count(),
        inbox=InboxMessage.objects.count(),
        # Ids are ordered by time (UUID version 7).
        last_batch_at=Batch.objects.order_by("-pk").values_list("committed_at", flat=True).first(),
        rate=(recent["size"] or 0) / RATE_SECONDS,
    )


def settled() -> dict[str, int]:
    """Return the totals as a sample keeps them, up to a message before which none can appear any more.

    With lanes messages are not committed in the order of their ids.
    """
    sample = _last_sample()
    rows = InboundMessage.objects.filter(
        pk__gt=sample.last_message_id, applied_at__lt=Now() - timedelta(seconds=SETTLED)
    )
    last = rows.aggregate(last=Max("pk"))["last"] or sample.last_message_id
    return {**handled(sample, pk__lte=last), "last_message_id": last}


def handled(sample: Sample, **until: int) -> dict[str, int]:
    """Count on from a sample by what became of messages."""
    rows = InboundMessage.objects.filter(pk__gt=sample.last_message_id, **until).order_by().values_list("status")
    new = dict(rows.annotate(number=Count("pk")))
    return {name: getattr(sample, name) + new.get(name, 0) for name in ("applied", "skipped", "dead")}


def _last_sample() -> Sample:
    return Sample.objects.first() or Sample(applied=0, skipped=0, dead=0, last_message_id=0)


def _first_id(seconds: float) -> UUID:
    """Return the smallest batch id that could have been made at this Unix time."""
    return UUID(int=int(seconds * 1000) << 80)
