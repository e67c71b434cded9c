"""Who is in which bed: the patient, their age and flags, when they are expected to leave, and who looks after them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from django.utils.timezone import localdate

from vitals.assignments import nurses_of
from vitals.documents import Encounter
from vitals.models import Bed, Stay, full_name
from vitals.news2 import why_not
from vitals.plans import Flag

DAYS_UNTIL, MONTHS_UNTIL = 60, 730  # ages below are told in days, then in months, then in years


class Found(NamedTuple):
    """A current stay with what is known of its visit and patient."""

    bed_id: int
    from_at: datetime
    visit_id: int
    flags: tuple[str, ...]
    status: tuple[str, ...]
    discharge_at: datetime | None
    patient_id: int
    family_name: str
    given_name: str
    birth_date: date | None
    sex: str


COLUMNS: Final = (  # of Found; models of 500 beds' patients would take five times as long to make
    "bed",
    "from_at",
    "visit",
    "visit__plan__flags",
    "visit__plan__status",
    "visit__plan__expected_discharge_at",
    "visit__patient",
    "visit__patient__family_name",
    "visit__patient__given_name",
    "visit__patient__birth_date",
    "visit__patient__sex",
)


@dataclass(frozen=True, slots=True)
class Occupant:
    """A patient in a bed, since `from_at`; `age` is "67 y", "14 mo", "9 d" or empty, `nurses` are names.

    `without_news2` says why the score is not made; empty where it is.
    """

    patient_id: int
    visit_id: int
    name: str
    age: str
    sex: str
    from_at: datetime
    without_news2: str
    flags: tuple[Flag, ...]
    discharge_at: datetime | None
    nurses: tuple[str, ...]

    @property
    def encounter(self) -> Encounter:
        return Encounter(self.visit_id, self.patient_id)

    @property
    def initials(self) -> str:
        """Return what a wall shows of a name: "O. A."."""
        family, _, given = self.name.partition(", ")
        return " ".join(f"{part[0]}." for part in (family, given) if part)


def read_occupants(beds: Iterable[Bed] | None = None) -> dict[int, tuple[Occupant, ...]]:
    """Return the patients of these beds, or of all, by the bed's id, the latest arrival first. Two queries."""
    stays = Stay.objects.filter(to_at=None).order_by("bed", "-from_at", "-pk")
    if beds is not None:
        stays = stays.filter(bed__in=beds)
    rows = [_found(*row) for row in stays.values_list(*COLUMNS)]
    nurses = nurses_of({row.patient_id for row in rows} if beds is not None else None)
    occupants: dict[int, tuple[Occupant, ...]] = {}
    today = localdate()
    for row in rows:
        occupant = _occupant(row, tuple(nurses.get(row.patient_id, ())), today)
        occupants[row.bed_id] = (*occupants.get(row.bed_id, ()), occupant)
    return occupants


def _found(
    bed_id: int, from_at: datetime, visit_id: int, flags: list[str] | None, status: list[str] | None, *rest: Any
) -> Found:
    return Found(bed_id, from_at, visit_id, tuple(flags or ()), tuple(status or ()), *rest)


@lru_cache(maxsize=5000)
def _occupant(row: Found, nurses: tuple[str, ...], today: date) -> Occupant:
    """Return the same one as long as nothing changes: every second all of them are read again."""
    flags = tuple(Flag(flag) for flag in dict.fromkeys((*row.status, *row.flags)))
    return Occupant(
        patient_id=row.patient_id,
        visit_id=row.visit_id,
        name=full_name(row.family_name, row.given_name),
        age=age_on(today, row.birth_date),
        sex=row.sex,
        from_at=row.from_at,
        without_news2="pregnant" if Flag.PREGNANT in flags else why_not(row.birth_date, today),
        flags=flags,
        discharge_at=row.discharge_at,
        nurses=nurses,
    )


def age_on(day: date, birth_date: date | None) -> str:
    """Return an age as wards write it: days for newborns, months to two years, then years. Empty where unknown."""
    if birth_date is None or birth_date > day:
        return ""
    days = (day - birth_date).days
    if days < DAYS_UNTIL:
        return f"{days} d"
    months = (day.year - birth_date.year) * 12 + day.month - birth_date.month - (day.day < birth_date.day)
    return f"{months} mo" if days < MONTHS_UNTIL else f"{months // 12} y"
