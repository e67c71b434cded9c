"""Rows of boards: a bed with the vitals of exactly the patient who is in it. Polls mostly find the same rows again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from typing import Final

from vitals.cache import read_beds, read_cached
from vitals.codes import VITALS
from vitals.course import UNKNOWN, Course, Whose, held_course, read_courses
from vitals.documents import SHOWN, BedVitals, Encounter, Reading, Source
from vitals.early_warning import HIGH, EarlyWarning, early_warning, is_outdated
from vitals.house import Occupants
from vitals.models import Bed
from vitals.occupants import Occupant

NO_VITALS: Final = BedVitals(Source.CACHE, None, (), 0)


@dataclass(frozen=True, slots=True)
class Cell:
    """One vital sign of a row; `reading` is None where nothing was measured."""

    vital: str
    label: str
    unit: str
    reading: Reading | None


@dataclass(frozen=True, eq=False)
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

    @cached_property
    def updated_at(self) -> datetime | None:
        return max((cell.reading.observed_at for cell in self.cells if cell.reading), default=None)

    @cached_property
    def version(self) -> str:
        """Say what the row shows, in every process alike."""
        return blake2b(repr(self).encode(), digest_size=12).hexdigest()

    def urgency(self, now: datetime) -> tuple[bool, bool, int]:
        """Sort key: an overdue set of a patient at risk, then the higher score, then free beds."""
        score = self.warning.scored.total if self.warning.scored else -1
        is_late = self.warning.is_overdue(now) and score >= HIGH
        return not self.occupants, not is_late, -score


def read_rows(beds: Sequence[Bed], occupants: Occupants, now: datetime) -> tuple[Row, ...]:
    """Return a row for each bed, in the given order."""
    encounters = encounters_in(beds, occupants)
    vitals = read_beds([bed for bed in beds if bed.pk in encounters], encounters)
    courses = read_courses([_whose(bed, occupants, vitals) for bed in beds if bed.pk in encounters], now)
    return tuple(
        _row(bed, occupants.get(bed.pk, ()), vitals.get(bed.pk, NO_VITALS), courses.get(bed.pk, UNKNOWN), now)
        for bed in beds
    )


def held_rows(beds: Sequence[Bed], occupants: Occupants, now: datetime) -> tuple[Row, ...]:
    """Return a row for each bed without PostgreSQL: what the cache holds, else what this process showed last."""
    encounters = encounters_in(beds, occupants)
    vitals = read_cached([bed for bed in beds if bed.pk in encounters], encounters)
    return tuple(_held_row(bed, occupants, vitals, now) for bed in beds)


def _held_row(bed: Bed, occupants: Occupants, vitals: Mapping[int, BedVitals], now: datetime) -> Row:
    found = occupants.get(bed.pk, ())
    _, last = _rows.get(bed.pk, (None, None))
    if last is not None and bed.pk not in vitals and last.occupants == found:
        return last
    course = held_course(_whose(bed, occupants, vitals)) if found else UNKNOWN
    return _row(bed, found, vitals.get(bed.pk, NO_VITALS), course, now)


def encounters_in(beds: Iterable[Bed], occupants: Occupants) -> dict[int, Encounter]:
    """Return the encounter in each occupied bed by its id; of two occupants the later arrival's."""
    return {bed.pk: occupants[bed.pk][0].encounter for bed in beds if bed.pk in occupants}


def _whose(bed: Bed, occupants: Occupants, vitals: Mapping[int, BedVitals]) -> Whose:
    occupant = occupants[bed.pk][0]
    return Whose(bed.pk, occupant.visit_id, occupant.patient_id, vitals.get(bed.pk, NO_VITALS).scale)


def _row(bed: Bed, occupants: tuple[Occupant, ...], vitals: BedVitals, course: Course, now: datetime) -> Row:
    """Return the row made of these; the same one as long as they are equal."""
    # A local copy is a copy of the cache's: two processes that hold one and that hold none answer polls alike.
    source = Source.CACHE if vitals.source is Source.LOCAL else vitals.source
    is_old = is_outdated(vitals, now)
    inputs = (bed.room, bed.label, occupants, vitals, source, course, is_old)
    known = _rows.get(bed.pk)
    if known is None or known[0] != inputs:
        row = _new_row(bed, occupants, replace(vitals, source=source), course, is_old=is_old)
        known = _rows[bed.pk] = (inputs, row)
    return known[1]


def _new_row(bed: Bed, occupants: tuple[Occupant, ...], vitals: BedVitals, course: Course, *, is_old: bool) -> Row:
    # The patient may have changed between the two queries: what is not this encounter's is not shown.
    if not occupants or vitals.encounter != occupants[0].encounter:
        vitals = NO_VITALS
    readings = {reading.vital: reading for reading in vitals.readings}
    cells = tuple(
        Cell(vital, label, VITALS["sbp" if vital == "bp" else vital].unit, readings.get(vital))
        for vital, label in SHOWN.items()
    )
    warning = _warning(occupants, vitals, course, is_old=is_old)
    return Row(bed, occupants, cells, vitals.source if readings else None, warning, course)


def _warning(occupants: tuple[Occupant, ...], vitals: BedVitals, course: Course, *, is_old: bool) -> EarlyWarning:
    not_made = occupants[0].without_news2 if occupants else "no patient"
    if not_made:
        return EarlyWarning(None, None, (), not_made=not_made)
    return early_warning(vitals, course, is_outdated=is_old)


_rows: Final[dict[int, tuple[tuple[object, ...], Row]]] = {}  # by bed: what it was made of; polls mostly find the same
