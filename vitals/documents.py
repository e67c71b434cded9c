"""A bed's document: the latest of each vital of the patient who is in it, from PostgreSQL and back to readings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from django.db import connection

from epicops.clock import now
from vitals.codes import VITALS
from vitals.models import Observation

SHOWN: Final = {
    "hr": "Heart rate",
    "bp": "Blood pressure",
    "rr": "Respiratory rate",
    "spo2": "SpO2",
    "temp": "Temperature",
}

Document = dict[str, Any]
MALFORMED: Final = (TypeError, ValueError, KeyError, AttributeError, OverflowError)  # what `read` raises


class Source(StrEnum):
    """Where a reading came from."""

    LOCAL = "local"  # this process' copy of what the cache holds
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
    read_at: float  # `epicops.clock.now` when this process read them from Redis or PostgreSQL

    @property
    def age(self) -> float:
        """Seconds since this process read them from Redis or PostgreSQL."""
        return now() - self.read_at


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document and the version of the database it was read from; `key` is the bed's name in Redis."""

    key: str
    version: int
    document: Document


def read(document: Document, source: Source) -> BedVitals:
    """Return the readings of a document; raise one of MALFORMED for what is none."""
    times = document["at"]
    unverified = document.get("unverified", ())
    readings = tuple(
        Reading(
            vital=vital,
            label=label,
            text=f"{document[vital]:.1f}" if vital == "temp" else str(document[vital]),
            unit=VITALS["sbp" if vital == "bp" else vital].unit,
            observed_at=datetime.fromtimestamp(times[vital], UTC),
            is_verified=vital not in unverified,
        )
        for vital, label in SHOWN.items()
        if vital in document
    )
    return BedVitals(source, document["encounter"], readings, now())


def load(bed_ids: Iterable[int]) -> dict[int, Loaded]:
    """Return each bed's document from PostgreSQL in one query, outside a transaction that has written.

    For example {"hr":78,"bp":"120/80","at":{"hr":1767135600,"bp":1767135600},"encounter":17}: `at` holds Unix
    times, `encounter` the visit's id or null, `unverified` the vitals with OBX-11 R.
    """
    beds: dict[int, tuple[str, int, int | None, Latest]] = {}
    with connection.cursor() as cursor:
        cursor.execute(LATEST, [list(VITALS), list(bed_ids)])
        for bed_id, key, version, visit_id, vital, value, observed_at, status in cursor.fetchall():
            latest = beds.setdefault(bed_id, (key, version, visit_id, {}))[3]
            if value is not None:
                latest[vital] = (value, observed_at, status)
    return {
        bed_id: Loaded(key, version, document(visit_id, latest))
        for bed_id, (key, version, visit_id, latest) in beds.items()
    }


Latest = dict[str, tuple[Decimal, datetime, str]]  # value, time and status by vital


def document(visit_id: int | None, latest: Latest) -> Document:
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


def _pressure(systolic: Decimal, observed_at: datetime, latest: Mapping[str, tuple[Decimal, datetime, str]]) -> str:
    """Return "120/80"; the diastolic half is a dash unless it was measured together with the systolic."""
    diastolic, measured_at, _ = latest.get("dbp", (None, None, None))
    return f"{_number(systolic)}/{_number(diastolic) if diastolic is not None and measured_at == observed_at else '-'}"


def _number(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)


# The version is how many transactions the statement's snapshot sees as ended. Of two snapshots one sees all that the
# other sees, so this orders them, whatever changed: a value, a correction, a transfer, a row edited by hand. A
# reading's own time would not: corrections and transfers keep or lower it.
LATEST: Final = """
SELECT bed.id, bed.key, snapshot.version, stay.visit_id, kept.vital, o.value, o.observed_at, o.status
FROM vitals_bed bed
CROSS JOIN (
  SELECT pg_snapshot_xmax(now)::text::bigint - (SELECT count(*) FROM pg_snapshot_xip(now)) AS version
  FROM pg_current_snapshot() AS now) snapshot
LEFT JOIN LATERAL (
  SELECT s.visit_id, v.patient_id FROM vitals_stay s JOIN vitals_visit v ON v.id = s.visit_id
  WHERE s.bed_id = bed.id AND s.to_at IS NULL ORDER BY s.from_at DESC, s.id DESC LIMIT 1) stay ON true
CROSS JOIN unnest(%s::text[]) AS kept(vital)
LEFT JOIN LATERAL (
  SELECT value, observed_at, status FROM vitals_observation
  WHERE patient_id = stay.patient_id AND vital = kept.vital AND is_shown ORDER BY observed_at DESC LIMIT 1) o ON true
WHERE bed.id = ANY(%s)
"""
