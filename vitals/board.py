"""A ward's beds with the vitals of exactly the patients who are in them, the most urgent first."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.timezone import localdate, localtime

from vitals.cache import read_beds
from vitals.codes import VITALS
from vitals.course import UNKNOWN, Course, Whose, read_courses
from vitals.documents import SHOWN, STALE_AFTER, BedVitals, Reading, Source
from vitals.early_warning import HIGH, NOT_APPLICABLE, EarlyWarning, early_warning
from vitals.models import Bed, Unit
from vitals.occupants import Occupant, read_occupants

NO_VITALS: Final = BedVitals(Source.CACHE, None, (), 0)


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
    warning: EarlyWarning
    course: Course

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

    def urgency(self, now: datetime) -> tuple[bool, bool, int]:
        """Sort key: an overdue set of a patient at risk, then the higher score, then free beds."""
        score = self.warning.scored.total if self.warning.scored else -1
        is_late = self.warning.is_overdue(now) and score >= HIGH
        return not self.occupants, not is_late, -score


@dataclass(frozen=True, slots=True)
class Board:
    """A ward's beds in order at the time `at`, and what its header counts; `held_at` is when an old one was read."""

    unit: Unit
    rows: tuple[Row, ...]
    at: datetime
    held_at: datetime | None = None

    @property
    def occupied(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.occupants)

    @property
    def free_count(self) -> int:
        return len(self.rows) - len(self.occupied)

    @property
    def counts(self) -> dict[str, int]:
        """Return what the header counts, by title; times in it change a count without any message."""
        today = localdate(self.at)
        leaving = [row.occupant.discharge_at for row in self.rows if row.occupant and row.occupant.discharge_at]
        return {
            "Occupied": len(self.occupied),
            "Free": self.free_count,
            f"NEWS2 {HIGH} or more": sum(1 for row in self.rows if (row.warning.total or 0) >= HIGH),
            "Observations overdue": sum(1 for row in self.rows if row.warning.is_overdue(self.at)),
            "Stale readings": sum(1 for row in self.rows if row.updated_at and self.at - row.updated_at > STALE_AFTER),
            "Unassigned": sum(1 for row in self.rows if row.occupant and not row.occupant.nurses),
            "Expected to leave today": sum(1 for at in leaving if localtime(at).date() <= today),
        }

    @property
    def newest_at(self) -> datetime | None:
        """When the feed was last heard of: the ward's newest reading."""
        return max((at for row in self.rows for at in row.times), default=None)

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


def read_board(unit: Unit, now: datetime, *, is_by_bed: bool = False) -> Board:
    """Return the ward as it is now, by urgency or by bed: three queries and one look into the cache, whatever its size.

    A fourth, once a minute, for the last twelve hours.
    """
    rows = read_rows(sorted(unit.beds.all(), key=_in_order), now)
    return Board(unit, rows if is_by_bed else tuple(sorted(rows, key=lambda row: row.urgency(now))), now)


def read_rows(beds: Sequence[Bed], now: datetime) -> tuple[Row, ...]:
    """Return a row for each bed, in the given order."""
    occupants = read_occupants(beds)
    visits = {bed_id: found[0].visit_id for bed_id, found in occupants.items()}
    vitals = read_beds([bed for bed in beds if bed.pk in occupants], visits)
    whose = [
        Whose(bed_id, found[0].visit_id, found[0].patient_id, vitals.get(bed_id, NO_VITALS).scale)
        for bed_id, found in occupants.items()
    ]
    courses = read_courses(whose, now)
    return tuple(
        _row(bed, tuple(occupants.get(bed.pk, ())), vitals.get(bed.pk, NO_VITALS), courses.get(bed.pk, UNKNOWN))
        for bed in beds
    )


def _row(bed: Bed, occupants: tuple[Occupant, ...], vitals: BedVitals, course: Course) -> Row:
    # The patient may have changed between the two queries: what is not this visit's is not shown.
    if not occupants or vitals.encounter != occupants[0].visit_id:
        vitals = NO_VITALS
    readings = {reading.vital: reading for reading in vitals.readings}
    cells = tuple(
        Cell(vital, label, VITALS["sbp" if vital == "bp" else vital].unit, readings.get(vital))
        for vital, label in SHOWN.items()
    )
    # A local copy is a copy of the cache's: two processes that hold one and that hold none answer polls alike.
    source = Source.CACHE if vitals.source is Source.LOCAL else vitals.source
    has_news2 = bool(occupants) and occupants[0].has_news2
    warning = early_warning(vitals, course) if has_news2 else NOT_APPLICABLE
    return Row(bed, occupants, cells, source if readings else None, warning, course)


def _in_order(bed: Bed) -> list[tuple[int, str]]:
    """Sort key by which bed9 comes before bed10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", bed.key)]
