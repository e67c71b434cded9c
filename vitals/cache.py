"""Latest vitals of beds: Redis answers, PostgreSQL fills.

The worker writes a bed's document through after each commit. A reader fills only where there is none, so that a slow
reader's old copy never replaces a newer one. Nothing is cached longer than 60 s.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from django.core.cache import cache
from django.db import connection
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

from epicops import keys
from epicops.breaker import Breaker, CircuitOpen
from vitals.codes import VITALS
from vitals.models import Bed, Observation

TTL: Final = 60  # seconds
SHOWN: Final = {
    "hr": "Heart rate",
    "bp": "Blood pressure",
    "rr": "Respiratory rate",
    "spo2": "SpO2",
    "temp": "Temperature",
}

breaker = Breaker("cache")

Document = dict[str, Any]


class Source(StrEnum):
    """Where a reading came from; every page says so."""

    CACHE = "cache"
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Reading:
    """One vital sign as shown: `text` is "78" or "120/80", in `unit` (UCUM)."""

    vital: str
    label: str
    text: str
    unit: str
    observed_at: datetime
    is_verified: bool


@dataclass(frozen=True, slots=True)
class BedVitals:
    """A bed's latest readings, and the visit they belong to; a reader drops them when the bed's visit is another."""

    source: Source
    encounter: int | None
    readings: tuple[Reading, ...]


def read_beds(beds: Sequence[Bed]) -> dict[int, BedVitals]:
    """Return each bed's vitals by its id: one MGET, and one query for all the beds that missed."""
    cached = _get({keys.vitals(bed.key): bed for bed in beds})
    missing = [bed for bed in beds if bed.pk not in cached]
    if not missing:
        return cached
    documents = load_documents([bed.pk for bed in missing])
    _fill({keys.vitals(bed.key): documents[bed.pk] for bed in missing})
    return cached | {pk: _read(document, Source.DATABASE) for pk, document in documents.items()}


def write_through(bed_ids: Collection[int]) -> None:
    """Replace the cached documents of these beds after a commit. While Redis is away they expire by themselves."""
    if not bed_ids:
        return
    names = dict(Bed.objects.filter(pk__in=bed_ids).values_list("pk", "key"))
    documents = load_documents(names)
    try:
        with breaker.guard():
            cache.set_many({keys.vitals(names[pk]): document for pk, document in documents.items()}, TTL)
    except (CircuitOpen, ConnectionInterrupted, RedisError):
        return  # the breaker has logged it


def _get(beds: dict[str, Bed]) -> dict[int, BedVitals]:
    try:
        with breaker.guard():
            documents = cache.get_many(beds)
    except (CircuitOpen, ConnectionInterrupted, RedisError):
        return {}
    found = {}
    for key, document in documents.items():
        try:
            found[beds[key].pk] = _read(document, Source.CACHE)
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
            continue  # not a document of ours: a miss
    return found


def _fill(documents: dict[str, Document]) -> None:
    try:
        for key, document in documents.items():
            with breaker.guard():
                cache.add(key, document, TTL)
    except (CircuitOpen, ConnectionInterrupted, RedisError):
        return


def _read(document: Document, source: Source) -> BedVitals:
    times = document["at"]
    unverified = document.get("unverified", ())
    readings = tuple(
        Reading(
            vital=vital,
            label=label,
            text=str(document[vital]),
            unit=VITALS["sbp" if vital == "bp" else vital].unit,
            observed_at=datetime.fromtimestamp(times[vital], UTC),
            is_verified=vital not in unverified,
        )
        for vital, label in SHOWN.items()
        if vital in document
    )
    return BedVitals(source, document["encounter"], readings)


def load_documents(bed_ids: Iterable[int]) -> dict[int, Document]:
    """Return each bed's document from PostgreSQL: the latest of each vital of the patient who is in it.

    For example {"hr":78,"bp":"120/80","at":{"hr":1767135600,"bp":1767135600},"encounter":17}: `at` holds Unix
    times, `encounter` the visit's id or null, `unverified` the vitals with OBX-11 R.
    """
    rows: dict[int, tuple[int | None, dict[str, tuple[Decimal, datetime, str]]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(LATEST, [list(bed_ids), list(VITALS)])
        for bed_id, visit_id, vital, value, observed_at, status in cursor.fetchall():
            latest = rows.setdefault(bed_id, (visit_id, {}))[1]
            if value is not None:
                latest[vital] = (value, observed_at, status)
    return {bed_id: _document(visit_id, latest) for bed_id, (visit_id, latest) in rows.items()}


def _document(visit_id: int | None, latest: dict[str, tuple[Decimal, datetime, str]]) -> Document:
    values: Document = {}
    at: dict[str, int] = {}
    unverified: list[str] = []
    for vital in SHOWN:
        value, observed_at, status = latest.get("sbp" if vital == "bp" else vital, (None, None, None))
        if value is None or observed_at is None:
            continue
        values[vital] = _pressure(value, observed_at, latest) if vital == "bp" else _number(value)
        at[vital] = int(observed_at.timestamp())
        if status == Observation.Status.UNVERIFIED:
            unverified.append(vital)
    return values | {"at": at, "encounter": visit_id} | ({"unverified": unverified} if unverified else {})


def _pressure(systolic: Decimal, observed_at: datetime, latest: dict[str, tuple[Decimal, datetime, str]]) -> str:
    """Return "120/80"; the diastolic half is a dash unless it was measured together with the systolic."""
    diastolic, measured_at, _ = latest.get("dbp", (None, None, None))
    return f"{_number(systolic)}/{_number(diastolic) if diastolic is not None and measured_at == observed_at else '-'}"


def _number(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)


LATEST: Final = """
SELECT bed.id, stay.visit_id, kept.vital, o.value, o.observed_at, o.status
FROM unnest(%s::bigint[]) AS bed(id)
LEFT JOIN LATERAL (
  SELECT s.visit_id, v.patient_id FROM vitals_stay s JOIN vitals_visit v ON v.id = s.visit_id
  WHERE s.bed_id = bed.id AND s.to_at IS NULL ORDER BY s.from_at DESC, s.id DESC LIMIT 1) stay ON true
CROSS JOIN unnest(%s::text[]) AS kept(vital)
LEFT JOIN LATERAL (
  SELECT value, observed_at, status FROM vitals_observation
  WHERE patient_id = stay.patient_id AND vital = kept.vital AND is_shown ORDER BY observed_at DESC LIMIT 1) o ON true
"""
