"""Which patient, visit and bed a message names, whatever became of it."""

from collections.abc import Iterator

from django.db.models import Q
from django.db.models.functions import Coalesce

from interconnect.handlers.fields import location, patient_of, visit_of
from interconnect.hl7.er7 import Message, readable
from vitals.models import Bed, PatientIdentifier, Visit


def mentioned(raw: bytes) -> list[tuple[str, int]]:
    """Return what of the first PID and PV1 we know, as ("patient", its id), ("visit", …) and ("bed", …)."""
    message = readable(raw)
    return list(_mentioned(message)) if message else []


def visit_numbers(raw: bytes) -> set[str]:
    """Return the number of the visit that a message names, and those of visits merged with it; else nothing."""
    message = readable(raw)
    if message is None or (name := visit_of(message.first("PID"), message.first("PV1"))) is None:
        return set()
    visits = Visit.objects.filter(number=name[0], authority=name[1]).values(visit=Coalesce("merged_into", "pk"))
    same = Visit.objects.filter(Q(pk__in=visits) | Q(merged_into__in=visits))
    return {name[0], *same.values_list("number", flat=True)}


def _mentioned(message: Message) -> Iterator[tuple[str, int]]:
    pid, pv1 = message.first("PID"), message.first("PV1")
    if patient := patient_of(pid):
        owner = PatientIdentifier.objects.filter(value=patient[0], authority=patient[1])
        yield from (("patient", pk) for pk in owner.values_list("patient", flat=True))
    if name := visit_of(pid, pv1):
        visits = Visit.objects.filter(number=name[0], authority=name[1])
        yield from (("visit", pk) for pk in visits.values_list(Coalesce("merged_into", "pk"), flat=True))
    if pv1 and (place := location(pv1, 3)):
        is_there = Q(unit__code=place.unit, unit__facility=place.facility, room=place.room, label=place.bed)
        yield from (("bed", pk) for pk in Bed.objects.filter(is_there).values_list("pk", flat=True))
