"""A bed's document: the latest of each vital of the patient who is in it, from PostgreSQL and back to readings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from epicops.bulk import reading_cursor
from epicops.clock import now
from vitals.codes import VITALS
from vitals.models import Observation, OxygenTarget

SHOWN: Final = {
    "hr": "Heart rate",
    "bp": "Blood pressure",
    "rr": "Respiratory rate",
    "spo2": "SpO2",
    "temp": "Temperature",
}

STALE_AFTER: Final = timedelta(minutes=5)  # static/js/live.js goes by the same

PRESSURES: Final = ("sbp", "dbp")  # shown as one
UNSHOWN: Final = ("o2", "fio2", "acvpu")  # what NEWS2 needs besides
READ: Final = (*(vital for vital in SHOWN if vital != "bp"), *PRESSURES, *UNSHOWN)

Document = dict[str, Any]
# What `read` raises; OSError where a time is too large for the C library, as nanoseconds are.
MALFORMED: Final = (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, OSError)
LARGEST: Final = 10**6  # no vital sign is as large
NOBODY: Final = 0  # no patient's id; whose a document is that does not say so


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


class Sign(NamedTuple):
    """A value as NEWS2 takes it, by its name in `vitals.codes`."""

    vital: str
    value: Decimal
    at: datetime


class Encounter(NamedTuple):
    """A visit and whose it is: a visit can become another patient's (A45), and the readings stay behind."""

    visit_id: int
    patient_id: int

    def __str__(self) -> str:
        return f"{self.visit_id}-{self.patient_id}"


@dataclass(frozen=True, slots=True)
class BedVitals:
    """A bed's latest readings, and the encounter they belong to; a reader drops them when the bed has another.

    Two are equal when they say the same, wherever it came from.
    """

    source: Source = field(compare=False)
    encounter: Encounter | None
    readings: tuple[Reading, ...]
    read_at: float = field(compare=False)  # `epicops.clock.now` when this process read them from there
    signs: tuple[Sign, ...] = ()
    scale: OxygenTarget.Scale = OxygenTarget.Scale.ONE

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
    scale = OxygenTarget.Scale(document.get("scale", 1))
    return BedVitals(source, _encounter(document), readings, now(), tuple(_signs(document)), scale)


def _encounter(document: Document) -> Encounter | None:
    visit_id = document["encounter"]
    return None if visit_id is None else Encounter(visit_id, document.get("patient", NOBODY))


def _signs(document: Document) -> Iterable[Sign]:
    for key in (*SHOWN, *UNSHOWN):
        if key in document:
            value = Decimal(str(document[key]).partition("/")[0])
            if abs(value) >= LARGEST:
                raise ValueError
            yield Sign("sbp" if key == "bp" else key, value, datetime.fromtimestamp(document["at"][key], UTC))


def load(bed_ids: Iterable[int]) -> dict[int, Loaded]:
    """Return each bed's document from PostgreSQL in one query, outside a transaction that has written.

    For example {"hr":78,"bp":"120/80","at":{"hr":1767135600,"bp":1767135600},"encounter":17,"patient":9}: `at` holds
    Unix times, `encounter` the visit's id or null, `patient` whose it is, `unverified` the vitals with OBX-11 R,
    `scale` NEWS2's for SpO2 unless 1.
    """
    beds: dict[int, tuple[str, int, Encounter | None, int, Latest]] = {}
    with reading_cursor() as cursor:
        cursor.execute(LATEST, [list(READ), list(bed_ids)])
        for bed_id, key, version, visit_id, patient_id, scale, vital, value, observed_at, status in cursor.fetchall():
            encounter = None if visit_id is None else Encounter(visit_id, patient_id)
            latest = beds.setdefault(bed_id, (key, version, encounter, scale, {}))[4]
            if value is not None:
                latest[vital] = (value, observed_at, status)
    return {
        bed_id: Loaded(key, version, document(encounter, latest, scale))
        for bed_id, (key, version, encounter, scale, latest) in beds.items()
    }


Latest = dict[str, tuple[Decimal, datetime, str]]  # value, time and status by vital


def document(encounter: Encounter | None, latest: Latest, scale: int = 1) -> Document:
    values: Document = {}
    at: dict[str, int] = {}
    unverified: list[str] = []
    for vital in (*SHOWN, *UNSHOWN):
        value, observed_at, status = latest.get("sbp" if vital == "bp" else vital, (None, None, None))
        if value is None or observed_at is None:
            continue
        values[vital] = _pressure(value, observed_at, latest) if vital == "bp" else _number(value)
        at[vital] = int(observed_at.timestamp())
        if status == Observation.Status.UNVERIFIED:
            unverified.append(vital)
    more = ({"unverified": unverified} if unverified else {}) | ({"scale": scale} if scale != 1 else {})
    whose = {"encounter": encounter.visit_id, "patient": encounter.patient_id} if encounter else {"encounter": None}
    return values | {"at": at} | whose | more


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
SELECT bed.id, bed.key, snapshot.version, stay.visit_id, stay.patient_id, coalesce(target.scale, 1), kept.vital,
  o.value, o.observed_at, o.status
FROM vitals_bed bed
CROSS JOIN (
  SELECT pg_snapshot_xmax(now)::text::bigint - (SELECT count(*) FROM pg_snapshot_xip(now)) AS version
  FROM pg_current_snapshot() AS now) snapshot
LEFT JOIN LATERAL (
  SELECT s.visit_id, v.patient_id FROM vitals_stay s JOIN vitals_visit v ON v.id = s.visit_id
  WHERE s.bed_id = bed.id AND s.to_at IS NULL ORDER BY s.from_at DESC, s.id DESC LIMIT 1) stay ON true
LEFT JOIN LATERAL (
  SELECT scale FROM vitals_oxygentarget t WHERE t.patient_id = stay.patient_id
  ORDER BY t.decided_at DESC, t.id DESC LIMIT 1) target ON true
CROSS JOIN unnest(%s::text[]) AS kept(vital)
LEFT JOIN LATERAL (
  SELECT value, observed_at, status FROM vitals_observation
  WHERE patient_id = stay.patient_id AND vital = kept.vital AND is_shown
  ORDER BY observed_at DESC, sub_id DESC LIMIT 1) o ON true
WHERE bed.id = ANY(%s)
"""
