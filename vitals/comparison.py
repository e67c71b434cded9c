"""The same reads from PostgreSQL and from the cache, in shapes with names: the cache does not win them all.

Both sides of a shape must return equal data before anything is timed. Samples take turns, so that a busy machine slows
both, and a verdict says who wins.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast

from django.db import connection
from django.db.models import Avg, Max, Min
from django.utils import timezone

from epicops import keys
from vitals import documents, fence
from vitals.cache import read_beds, read_shared, write_through
from vitals.documents import BedVitals, Encounter, Latest, Reading, Source
from vitals.local_copy import copies, keep_copies
from vitals.models import Bed, Observation, Stay

WARD: Final = 32  # beds
HOSPITAL: Final = 500  # beds
START_SECONDS: Final = 2.0  # for local copies to be confirmed
PLANS: Final = 2  # statements of a shape whose plan is told
RENEW_SECONDS: Final = 30.0  # half of a cached document's life
EVEN: Final = 1.2  # below this ratio nobody wins

Side = Callable[[], Any]
Found = dict[int, tuple[Reading, ...]]


class NotCached(Exception):  # noqa: N818  a finding about the cache
    """PostgreSQL answered for the cache, which was away or had forgotten: the times would be PostgreSQL's."""


class Unequal(Exception):  # noqa: N818  a finding about the data
    """The two sides of a shape returned different data: timing them would compare nothing."""


class Sides(NamedTuple):
    """Both ways to read, and what puts the data into the cache, where it lives for a minute."""

    postgresql: Side
    cached: Side
    renew: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """A read, and how many samples of it are worth taking. `prepare` opens what the cache's side needs."""

    name: str
    title: str
    samples: int
    prepare: Callable[[Sequence[Bed]], Any]
    beds: int = WARD


@dataclass(frozen=True, slots=True)
class Comparison:
    """Seconds per read of one shape, as (p50, p95, p99)."""

    shape: Shape
    samples: int
    postgresql: tuple[float, float, float]
    cache: tuple[float, float, float]
    beds: int

    @property
    def title(self) -> str:
        """What was read; of fewer beds than the shape is of, how many."""
        return self.shape.title if self.beds == self.shape.beds else f"{self.shape.title}; {self.beds} occupied"

    @property
    def ratio(self) -> float:
        """How many times as long PostgreSQL takes, by medians."""
        return self.postgresql[0] / self.cache[0]

    @property
    def verdict(self) -> str:
        if self.ratio >= EVEN:
            return f"The cache answers {self.ratio:,.1f} times as fast."
        if self.ratio <= 1 / EVEN:
            return f"PostgreSQL wins: {1 / self.ratio:.1f} times as fast as the cache."
        return "No difference worth a cache."


def compare(shape: Shape, beds: Sequence[Bed], samples: int | None = None) -> Comparison:
    """Time a shape on these occupied beds.

    Raises Unequal when its sides disagree, RedisError without a cache, NotCached when that does not answer meanwhile.
    """
    fence.client().ping()  # readers would go to PostgreSQL without a word
    chosen = list(beds)[: shape.beds]
    with shape.prepare(chosen) as sides:
        sides.renew()
        if sides.postgresql() != sides.cached():
            raise Unequal(shape.name)
        taken: tuple[list[float], list[float]] = ([], [])
        number, renewed_at = samples or shape.samples, time.monotonic()
        for _ in range(number):
            if time.monotonic() - renewed_at > RENEW_SECONDS:
                sides.renew()
                renewed_at = time.monotonic()
            for side, times in zip((sides.postgresql, sides.cached), taken, strict=True):
                started = time.perf_counter()
                side()
                times.append(time.perf_counter() - started)
    return Comparison(shape, number, _percentiles(taken[0]), _percentiles(taken[1]), len(chosen))


def explain(shape: Shape, beds: Sequence[Bed]) -> str:
    """Return PostgreSQL's plans of the first statements of a shape, run once. They name internal ids only."""
    statements = []

    def keep(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: dict[str, Any]) -> Any:  # noqa: FBT001
        result = execute(sql, parameters, many, context)
        statements.append(connection.ops.last_executed_query(context["cursor"], sql, parameters))
        return result

    with shape.prepare(list(beds)[: shape.beds]) as sides, connection.execute_wrapper(keep):
        sides.postgresql()
    plans = []
    with connection.cursor() as cursor:
        for statement in statements[:PLANS]:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {statement}")
            plans.append("\n".join(line for (line,) in cursor.fetchall()))
    return "\n\n".join(plans)


def occupied_beds(limit: int = HOSPITAL) -> list[Bed]:
    """Return beds that somebody is in."""
    return list(Bed.objects.filter(stays__to_at=None, stays__isnull=False).distinct().order_by("pk")[:limit])


def _percentiles(times: list[float]) -> tuple[float, float, float]:
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98]


def _by_orm(bed_ids: Sequence[int]) -> Found:
    """Return the latest vitals as Django's ORM reads them: who is there, then DISTINCT ON over the day's readings."""
    stays = Stay.objects.filter(bed__in=bed_ids, to_at=None).select_related("visit").order_by("from_at", "pk")
    visits = {stay.bed_id: stay.visit for stay in stays}  # the later arrival stands
    patients = [visit.patient_id for visit in visits.values()]
    latest: dict[int, Latest] = {patient: {} for patient in patients}
    rows = Observation.objects.filter(patient__in=patients, vital__in=documents.READ)
    rows = rows.order_by("patient", "vital", "-observed_at", "-sub_id").distinct("patient", "vital")
    for patient, vital, value, at, status in rows.values_list("patient", "vital", "value", "observed_at", "status"):
        latest[patient][vital] = (value, at, status)
    encounters = {bed: Encounter(visit.pk, visit.patient_id) for bed, visit in visits.items()}
    return {bed: _readings(documents.document(one, latest[one.patient_id])) for bed, one in encounters.items()}


def _by_lateral(bed_ids: Sequence[int]) -> Found:
    return {pk: _readings(loaded.document) for pk, loaded in documents.load(bed_ids).items()}


def _by_turns(bed_ids: Sequence[int]) -> Found:
    return {pk: readings for bed_id in bed_ids for pk, readings in _by_orm([bed_id]).items()}


def _readings(document: documents.Document) -> tuple[Reading, ...]:
    return documents.read(document, documents.Source.DATABASE).readings


def _cached(beds: Sequence[Bed], read: Callable[[Sequence[Bed]], dict[int, BedVitals]] = read_shared) -> Side:
    def side() -> Found:
        found = read(beds)
        if any(vitals.source is Source.DATABASE for vitals in found.values()):
            raise NotCached
        return {pk: vitals.readings for pk, vitals in found.items()}

    return side


def _renewed(bed_ids: Sequence[int]) -> Callable[[], None]:
    return lambda: write_through(bed_ids)


def _against(postgresql: Callable[[Sequence[int]], Found]) -> Callable[[Sequence[Bed]], Any]:
    """Pair a way to ask PostgreSQL with one MGET."""

    @contextmanager
    def prepare(beds: Sequence[Bed]) -> Iterator[Sides]:
        bed_ids = [bed.pk for bed in beds]
        yield Sides(lambda: postgresql(bed_ids), _cached(beds), _renewed(bed_ids))

    return prepare


@contextmanager
def _local(beds: Sequence[Bed]) -> Iterator[Sides]:
    """Pair the ORM with this process' own copies."""
    bed_ids, cached = [bed.pk for bed in beds], _cached(beds, read_beds)
    was_started = copies.is_started  # as in a web process
    keep_copies()
    try:
        deadline = time.monotonic() + START_SECONDS
        while copies.is_started and not copies.is_confirmed and time.monotonic() < deadline:
            time.sleep(0.01)
        yield Sides(lambda: _by_orm(bed_ids), cached, _renewed(bed_ids))
    finally:
        if not was_started:
            copies.stop()


@contextmanager
def _aggregate(beds: Sequence[Bed]) -> Iterator[Sides]:
    """Pair a day's extremes and means of every bed's heart rate with the same as one cached document."""
    until = timezone.now()
    patients = list(Stay.objects.filter(bed__in=beds, to_at=None).values_list("visit__patient", flat=True))
    client, name, document = fence.client(), keys.HEART_RATE_SUMMARY, fence.encode(_summary(patients, until))

    def cached() -> documents.Document:
        raw = client.get(name)
        if raw is None:
            raise NotCached
        return fence.decode(cast("bytes", raw))

    yield Sides(lambda: _summary(patients, until), cached, lambda: client.set(name, document, px=fence.TTL))


def _summary(patients: Sequence[int], until: datetime) -> dict[str, list[float]]:
    day = Observation.objects.filter(
        patient__in=patients, vital="hr", observed_at__gt=until - timedelta(days=1), observed_at__lte=until
    )
    rows = day.values_list("patient").annotate(Min("value"), Max("value"), Avg("value")).order_by("patient")
    return {str(patient): [_rounded(value) for value in figures] for patient, *figures in rows}


def _rounded(value: Decimal) -> float:
    return round(float(value), 1)


SHAPES: Final = (
    Shape("bed-orm", "One bed: ORM, one MGET", 200, _against(_by_orm), beds=1),
    Shape("bed-sql", "One bed: LATERAL, one MGET", 200, _against(_by_lateral), beds=1),
    Shape("bed-local", "One bed: ORM, local copy", 200, _local, beds=1),
    Shape("ward-sql", "Ward of 32: LATERAL, one MGET", 100, _against(_by_lateral)),
    Shape("ward-orm", "Ward of 32: ORM DISTINCT ON, one MGET", 50, _against(_by_orm)),
    Shape("ward-turns", "Ward of 32: ORM bed by bed, one MGET", 30, _against(_by_turns)),
    Shape("day", "500 beds, heart rate of 24 h: aggregate, one cached document", 20, _aggregate, beds=HOSPITAL),
)
