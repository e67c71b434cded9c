"""Who is in which bed, with the vitals of exactly that patient."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from django.utils.timezone import localdate

from vitals.cache import read_beds
from vitals.codes import VITALS
from vitals.documents import SHOWN, BedVitals, Reading, Source
from vitals.models import Bed, Stay, Unit

DAYS_UNTIL, MONTHS_UNTIL = 60, 730  # ages below are told in days, then in months, then in years

NO_VITALS: Final = BedVitals(Source.CACHE, None, (), 0)


@dataclass(frozen=True, slots=True)
class Occupant:
    """A patient in a bed, since `from_at`; `age` is "67 y", "14 mo", "9 d" or empty."""

    patient_id: int
    visit_id: int
    name: str
    age: str
    sex: str
    from_at: datetime


@dataclass(frozen=True, slots=True)
class Cell:
    """One vital sign of a row; `reading` is None where nothing was measured."""

    vital: str
    label: str
    unit: str
    reading: Reading | None


@dataclass(frozen=True, slots=True)
class Row:
    """A bed. Two occupants are a conflict: messages put both there, and the later arrival comes first."""

    bed: Bed
    occupants: tuple[Occupant, ...]
    cells: tuple[Cell, ...]
    source: Source | None

    @property
    def occupant(self) -> Occupant | None:
        return self.occupants[0] if self.occupants else None

    @property
    def others(self) -> tuple[Occupant, ...]:
        return self.occupants[1:]

    @property
    def times(self) -> tuple[datetime, ...]:
        return tuple(cell.reading.observed_at for cell in self.cells if cell.reading)

    @property
    def updated_at(self) -> datetime | None:
        return max(self.times, default=None)


@dataclass(frozen=True, slots=True)
class Board:
    """A ward's beds in order, and what its header counts."""

    unit: Unit
    rows: tuple[Row, ...]

    @property
    def occupied_count(self) -> int:
        return sum(1 for row in self.rows if row.occupants)

    @property
    def free_count(self) -> int:
        return len(self.rows) - self.occupied_count

    @property
    def newest_at(self) -> datetime | None:
        """When the feed was last heard of: the ward's newest reading."""
        return max((at for row in self.rows for at in row.times), default=None)

    @property
    def oldest_at(self) -> datetime | None:
        return min((at for row in self.rows for at in row.times), default=None)

    @property
    def source_counts(self) -> tuple[tuple[Source, int], ...]:
        """Rows with readings by where these came from, without zeros."""
        sources = [row.source for row in self.rows if row.source]
        return tuple((source, sources.count(source)) for source in Source if source in sources)

    @property
    def source(self) -> Source | None:
        """Database as soon as one row came from there; None without readings."""
        sources = {row.source for row in self.rows if row.source}
        return Source.DATABASE if Source.DATABASE in sources else min(sources, default=None)

    @property
    def patient_ids(self) -> tuple[int, ...]:
        return tuple(sorted({occupant.patient_id for row in self.rows for occupant in row.occupants}))


def read_board(unit: Unit) -> Board:
    """Return the ward as it is now: two queries and one look into the cache, whatever its size."""
    return Board(unit, read_rows(sorted(unit.beds.all(), key=_in_order)))


def read_rows(beds: Sequence[Bed]) -> tuple[Row, ...]:
    """Return a row for each bed, in the given order."""
    occupants: dict[int, list[Occupant]] = {}
    stays = Stay.objects.filter(bed__in=beds, to_at=None).select_related("visit__patient")
    for stay in stays.order_by("bed", "-from_at", "-pk"):
        occupants.setdefault(stay.bed_id, []).append(_occupant(stay))
    visits = {bed_id: found[0].visit_id for bed_id, found in occupants.items()}
    vitals = read_beds([bed for bed in beds if bed.pk in occupants], visits)
    return tuple(_row(bed, tuple(occupants.get(bed.pk, ())), vitals.get(bed.pk, NO_VITALS)) for bed in beds)


def _row(bed: Bed, occupants: tuple[Occupant, ...], vitals: BedVitals) -> Row:
    # The patient may have changed between the two queries: what is not this visit's is not shown.
    is_theirs = bool(occupants) and vitals.encounter == occupants[0].visit_id
    readings = {reading.vital: reading for reading in vitals.readings} if is_theirs else {}
    cells = tuple(
        Cell(vital, label, VITALS["sbp" if vital == "bp" else vital].unit, readings.get(vital))
        for vital, label in SHOWN.items()
    )
    # A local copy is a copy of the cache's: two processes that hold one and that hold none answer polls alike.
    source = Source.CACHE if vitals.source is Source.LOCAL else vitals.source
    return Row(bed, occupants, cells, source if readings else None)


def _occupant(stay: Stay) -> Occupant:
    patient = stay.visit.patient
    name = ", ".join(filter(None, (patient.family_name, patient.given_name))) or "Name not given"
    age = age_on(localdate(), patient.birth_date)
    return Occupant(patient.pk, stay.visit_id, name, age, patient.sex, stay.from_at)


def age_on(day: date, birth_date: date | None) -> str:
    """Return an age as wards write it: days for newborns, months to two years, then years. Empty where unknown."""
    if birth_date is None or birth_date > day:
        return ""
    days = (day - birth_date).days
    if days < DAYS_UNTIL:
        return f"{days} d"
    months = (day.year - birth_date.year) * 12 + day.month - birth_date.month - (day.day < birth_date.day)
    return f"{months} mo" if days < MONTHS_UNTIL else f"{months // 12} y"


def _in_order(bed: Bed) -> list[tuple[int, str]]:
    """Sort key by which bed9 comes before bed10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", bed.key)]
