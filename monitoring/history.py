"""The last day at one-minute grain, and its plots."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Final, NamedTuple

from django.utils import timezone
from django_redis import get_redis_connection

from audit.partitions import TrailInUse, lock_briefly
from epicops.redis_client import sessions_client
from interconnect.feed.silence import silent
from interconnect.models import Feed
from monitoring.health import ROLES, answer
from monitoring.metrics import info_of
from monitoring.models import Sample
from monitoring.session_ttls import ended_since, read_ttls
from monitoring.status import Status, settled
from vitals import counts

KEPT: Final = timedelta(hours=24)
WIDTH, HEIGHT = 240, 48  # of a plot, in its own units
GAP: Final = timedelta(minutes=2)  # between samples further apart than this no line is drawn

PLOTTED: Final = ("at", "waiting", "applied", "skipped", "dead", "open_dead_letters")

Point = tuple[datetime, float | None]


class Plot(NamedTuple):
    """One small plot: `lines` are SVG points; it runs from a day ago to now and from 0 to `top`."""

    title: str
    unit: str
    lines: list[str]
    top: float
    last: float | None


def keep(now: Status) -> None:
    """Write this minute's sample, unless there is one, and forget those older than a day. Needs PostgreSQL."""
    minute = now.at.replace(second=0, microsecond=0)
    if now.totals is None or Sample.objects.filter(at=minute).exists():
        return
    queue = now.queue
    oldest = (now.at - queue.oldest_sent_at).total_seconds() if queue and queue.oldest_sent_at else None
    sample = Sample(
        at=minute,
        waiting=queue.waiting if queue else None,
        oldest_seconds=oldest,
        **settled(),
        open_dead_letters=now.totals.open_dead_letters,
        session_ttls=answer(lambda: read_ttls(sessions_client())),
        sessions_ended=ended_since(now.at - timedelta(minutes=1)),
        cache_requests=answer(cache_requests),
        evicted=evicted(),
        silent_feeds=len(silent(Feed.objects.all(), now.at)),
    )
    Sample.objects.bulk_create([sample], ignore_conflicts=True)
    Sample.objects.filter(at__lt=now.at - KEPT).delete()


def cache_requests() -> dict[str, int]:
    totals = counts.totals(get_redis_connection("default"))
    return {":".join(subject): number for subject, number in totals.items()}


def evicted() -> dict[str, int]:
    found = {role: answer(partial(info_of, client)) for role, client in ROLES.items()}
    return {role: sum(info["evicted_keys"] for info in infos) for role, infos in found.items() if infos}


def make_partitions() -> None:
    """See that the audit trail has its partitions for the next months; a later look makes what a backup delays."""
    with suppress(TrailInUse), lock_briefly() as cursor:
        cursor.execute("SELECT audit_make_partitions(3)")


def plots(now: datetime | None = None) -> list[Plot]:
    """Return the last day's plots: one query."""
    now = now or timezone.now()
    samples = list(Sample.objects.filter(at__gte=now - KEPT).order_by("at").only(*PLOTTED))
    handled: list[Point] = [
        (later.at, max(total(later) - total(earlier), 0) / ((later.at - earlier.at).total_seconds() / 60))
        for earlier, later in pairwise(samples)
    ]
    return [
        plot("Waiting in queue", "messages", [(sample.at, sample.waiting) for sample in samples], now),
        plot("Handled", "messages a minute", handled, now),
        plot("Open dead letters", "messages", [(sample.at, sample.open_dead_letters) for sample in samples], now),
    ]


def total(sample: Sample) -> int:
    return sample.applied + sample.skipped + sample.dead


def plot(title: str, unit: str, points: Sequence[Point], now: datetime) -> Plot:
    """Draw a line per unbroken run of known values."""
    top = max([value for _, value in points if value is not None], default=0) or 1
    runs: list[list[str]] = [[]]
    before: datetime | None = None
    for at, value in points:
        if value is None or (before and at - before > GAP):
            runs.append([])
        if value is not None:
            x = WIDTH * (1 - (now - at) / KEPT)
            runs[-1].append(f"{x:.1f},{HEIGHT * (1 - value / top):.1f}")
        before = at
    last = points[-1][1] if points else None
    return Plot(title, unit, [" ".join(run) for run in runs if run], top, last)
