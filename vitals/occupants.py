"""Who is in which bed: the patient, their age and flags, when they are expected to leave, and who looks after them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.core.exceptions import ObjectDoesNotExist
from django.utils.timezone import localdate

from vitals.assignments import nurses_of
from vitals.models import Bed, Stay, Visit
from vitals.news2 import is_applicable
from vitals.plans import Flag

DAYS_UNTIL, MONTHS_UNTIL = 60, 730  # ages below are told in days, then in months, then in years


@dataclass(frozen=True, slots=True)
class Occupant:
    """A patient in a bed, since `from_at`; `age` is "67 y", "14 mo", "9 d" or empty, `nurses` are names."""

    patient_id: int
    visit_id: int
    name: str
    age: str
    sex: str
    from_at: datetime
    has_news2: bool
    flags: tuple[Flag, ...]
    discharge_at: datetime | None
    nurses: tuple[str, ...]

    @property
    def initials(self) -> str:
        """Return what a wall shows of a name: "O. A."."""
        family, _, given = self.name.partition(", ")
        return " ".join(f"{part[0]}." for part in (family, given) if part)


def read_occupants(beds: Iterable[Bed]) -> dict[int, list[Occupant]]:
    """Return the patients of each occupied bed by its id, the latest arrival first. Two queries."""
    stays = Stay.objects.filter(bed__in=beds, to_at=None).select_related("visit__patient", "visit__plan")
    stays = stays.order_by("bed", "-from_at", "-pk")
    nurses = nurses_of({stay.visit.patient_id for stay in stays})
    occupants: dict[int, list[Occupant]] = {}
    for stay in stays:
        names = tuple(nurse.get_full_name() or nurse.get_username() for nurse in nurses[stay.visit.patient_id])
        occupants.setdefault(stay.bed_id, []).append(_occupant(stay, names))
    return occupants


def _occupant(stay: Stay, nurses: tuple[str, ...]) -> Occupant:
    patient = stay.visit.patient
    flags, discharge_at = _plan(stay.visit)
    today = localdate()
    return Occupant(
        patient_id=patient.pk,
        visit_id=stay.visit_id,
        name=patient.name,
        age=age_on(today, patient.birth_date),
        sex=patient.sex,
        from_at=stay.from_at,
        has_news2=is_applicable(patient.birth_date, today) and Flag.PREGNANT not in flags,
        flags=flags,
        discharge_at=discharge_at,
        nurses=nurses,
    )


def _plan(visit: Visit) -> tuple[tuple[Flag, ...], datetime | None]:
    try:
        plan = visit.plan
    except ObjectDoesNotExist:
        return (), None
    return tuple(Flag(flag) for flag in plan.flags), plan.expected_discharge_at


def age_on(day: date, birth_date: date | None) -> str:
    """Return an age as wards write it: days for newborns, months to two years, then years. Empty where unknown."""
    if birth_date is None or birth_date > day:
        return ""
    days = (day - birth_date).days
    if days < DAYS_UNTIL:
        return f"{days} d"
    months = (day.year - birth_date.year) * 12 + day.month - birth_date.month - (day.day < birth_date.day)
    return f"{months} mo" if days < MONTHS_UNTIL else f"{months // 12} y"
