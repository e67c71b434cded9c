"""Holding one patient's messages back while somebody mends an earlier one.

A hold is a pause that names a message; whoever that is about is held. The patient need not be known yet: often it is
their admission that failed. Redis hears of a hold only its number.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from django.db import connection

from epicops.bulk import columns_of
from interconnect.handlers.fields import patient_of, visit_of
from interconnect.hl7.er7 import readable
from interconnect.models import Pause

Named = tuple[str, str, str]  # "patient" or "visit", the number, who assigned it

PATIENTS: Final = """
WITH wanted AS (SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) AS wanted(kind, value, authority))
SELECT kind, value, authority, i.patient_id FROM wanted
  JOIN vitals_patientidentifier i USING (value, authority) WHERE kind = 'patient'
UNION ALL
SELECT kind, value, w.authority, v.patient_id FROM wanted w
  JOIN vitals_visit v ON v.number = w.value AND v.authority = w.authority WHERE kind = 'visit'
"""


def named_in(raw: bytes) -> set[Named]:
    """Return everybody a message is about, of a merge both; its visit where it identifies nobody. Never raises."""
    if (message := readable(raw)) is None:
        return set()
    patients = [*map(patient_of, message.all("PID")), *(patient_of(mrg, 1) for mrg in message.all("MRG"))]
    names: set[Named] = {("patient", *name) for name in patients if name}
    visit = visit_of(message.first("PID"), message.first("PV1"))
    return names or ({("visit", *visit)} if visit else names)


def held_by(messages: Sequence[bytes], holds: Collection[int]) -> list[int | None]:
    """Return for each message the first of these holds whose patient it is about; two queries, none without holds."""
    if not holds:
        return [None] * len(messages)
    begun_at = Pause.objects.filter(pk__in=holds).order_by("pk").values_list("pk", "message__raw")
    held = {pk: named_in(bytes(raw)) for pk, raw in begun_at}
    about = [named_in(raw) for raw in messages]
    known = _patients(set[Named]().union(*held.values(), *about))

    def whom(names: set[Named]) -> set[int | Named]:
        return {known.get(name, name) for name in names}

    return [next((pk for pk, names in held.items() if whom(names) & whom(those)), None) for those in about]


def _patients(names: Iterable[Named]) -> dict[Named, int]:
    """Return the patients of those names that we know, merged ones as who they are now."""
    with connection.cursor() as cursor:
        cursor.execute(PATIENTS, columns_of(names, 3))
        return {(kind, value, authority): patient for kind, value, authority, patient in cursor.fetchall()}
