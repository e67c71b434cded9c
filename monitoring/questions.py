"""What an auditor asks, and the audit events that answer it.

45 CFR 164.312(b) asks for mechanisms that record *and examine*; 164.308(a)(1)(ii)(D) for a regular review.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from django.db.models import Q

from epicops.admin_site import pk_from
from interconnect.admin.history import deliveries
from interconnect.models import DeadLetter, RedriveItem
from vitals.models import Patient

LISTED: Final = Q(detail__has_any_keys=["ids", "patients"])  # the index of events about several has this condition


class Question(NamedTuple):
    """`subject` is what has to be named, or empty; `events` finds the answer for its number or name."""

    title: str
    subject: str
    events: Callable[[str], Q]


def of_patient(subject: str) -> Q:
    """Find what names the patient, alone or among the patients of a board."""
    pk = number(subject)
    return Q(patient_id=pk) | LISTED & Q(detail__contains={"patients": [pk]})


def of_message(subject: str) -> Q:
    """Find what was done to a message, its replays and their dead letters."""
    pks = list(deliveries(number(subject)).values_list("pk", flat=True))
    letters = list(DeadLetter.objects.filter(message__in=pks).values_list("pk", flat=True))
    redrives = RedriveItem.objects.filter(letter__in=letters).values_list("redrive", flat=True)
    found = of_objects("inboundmessage", pks) | of_objects("deadletter", letters) | of_objects("redrive", redrives)
    for letter in letters:
        found |= LISTED & Q(detail__contains={"ids": [letter]})
    return found


def of_objects(kind: str, pks: Iterable[int]) -> Q:
    return Q(object_type=kind, object_id__in=[str(pk) for pk in pks])


def number(subject: str) -> int:
    """Return the number that was named, 0, which nothing has, for something else."""
    return pk_from(subject) or 0


def patient_with(identifier: str) -> Patient | None:
    """Return the patient with this identifier of any authority, None where it is nobody's or not one person's."""
    if "\0" in identifier:  # PostgreSQL takes no such text
        return None
    found = Patient.objects.filter(identifiers__value=identifier).distinct()[:2]
    return found[0] if len(found) == 1 else None


QUESTIONS: Final = {
    "patient": Question("Who saw or changed this patient", "Patient number", of_patient),
    "person": Question("What this person did", "User name", lambda name: Q(actor=name)),
    "message": Question("Who opened, replayed, edited or discarded this message", "Message number", of_message),
    "exports": Question(
        "What was exported or printed", "", lambda _: Q(code__regex=r"\.(export(-[a-z0-9]+)?|report|print)$")
    ),
    "emergencies": Question("Who opened every ward in an emergency", "", lambda _: Q(code__startswith="break_glass.")),
    "doors": Question(
        "Who came in, who was refused, whose session was ended",
        "",
        lambda _: Q(code__startswith="session.") | Q(code="user.password_refused"),
    ),
    "accounts": Question(
        "Who changed accounts, roles and settings",
        "",
        lambda _: Q(code__regex=r"\.(change|add|delete)$|^second_factor"),
    ),
    "trail": Question("Who read, exported, checked or archived this trail", "", lambda _: Q(code__startswith="audit.")),
}
