"""Which messages concern one patient, visit or bed: applied, skipped, dead, or still on their way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from django.db import connection
from django.db.models import Q
from django.shortcuts import get_object_or_404

from interconnect.finding.tokens import Tokens, token, tokens_in
from interconnect.finding.waiting import Waiting, waiting
from vitals.models import Bed, Patient, PatientIdentifier, Visit

PAGE: Final = 50
LETTERS_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Subject:
    """What a timeline is of, and by what its messages are known."""

    name: str  # such as "Patient 17"; never a sender's number
    patients: tuple[int, ...] = ()  # everything filed under them
    visits: tuple[int, ...] = ()  # what moved them
    beds: tuple[int, ...] = ()  # what moved somebody in or out
    # Messages that name it, whatever became of them: each has all tokens of one of these.
    named_by: tuple[Tokens, ...] = ()

    def is_named(self, tokens: Tokens) -> bool:
        return any(wanted <= tokens for wanted in self.named_by)


def patient(pk: int) -> Subject:
    """Return a patient, with every record that was merged into theirs."""
    found = get_object_or_404(Patient, pk=pk)
    merged = Patient.objects.filter(merged_into=found).values_list("pk", flat=True)
    values = PatientIdentifier.objects.filter(patient=found).values_list("value", flat=True)
    named_by = tuple(frozenset({token(path, value)}) for value in values for path in ("PID-3", "MRG-1"))
    return Subject(str(found), patients=(found.pk, *merged), visits=_visits(patient=found), named_by=named_by)


def visit(pk: int) -> Subject:
    """Return a visit, with those that were merged into it."""
    found = get_object_or_404(Visit, pk=pk)
    numbers = Visit.objects.filter(Q(pk=pk) | Q(merged_into=pk)).values_list("number", flat=True)
    named_by = tuple(frozenset({token(path, value)}) for value in numbers for path in ("PV1-19", "PID-18"))
    return Subject(f"{found} of {found.patient}", visits=(found.pk,), named_by=named_by)


def bed(pk: int) -> Subject:
    """Return a bed, with everybody who was in it."""
    found = get_object_or_404(Bed.objects.select_related("unit"), pk=pk)
    parts = filter(None, (found.unit.code, found.room, found.label))
    named_by = (frozenset(token("PV1-3", part) for part in parts),)
    return Subject(str(found), visits=_visits(stays__bed=found), beds=(found.pk,), named_by=named_by)


SUBJECTS: Final[dict[str, Callable[[int], Subject]]] = {"patient": patient, "visit": visit, "bed": bed}


def _visits(**condition: object) -> tuple[int, ...]:
    return tuple(Visit.objects.filter(**condition).values_list("pk", flat=True).distinct())


def message_ids(subject: Subject, before: int | None = None) -> list[int]:
    """Return the newest messages, one page and one more; of a message and its replays only the last."""
    return _ids(f"{MATCHED} {NEWEST}", subject, {"before": before, "limit": PAGE + 1})


def open_letters(subject: Subject) -> list[int]:
    """Return the messages that are dead and wait for a person or for their replay, the newest first."""
    return _ids(f"{MATCHED} {OPEN}", subject, {"limit": LETTERS_SHOWN})


def _ids(statement: str, subject: Subject, more: dict[str, int | None]) -> list[int]:
    parameters: dict[str, list[int]] = {name: list(getattr(subject, name)) for name in ("patients", "visits", "beds")}
    named = {f"named_{number}": list(tokens) for number, tokens in enumerate(subject.named_by)}
    is_named = " OR ".join(f"t.tokens @> %({name})s::bigint[]" for name in named) or "false"
    with connection.cursor() as cursor:
        cursor.execute(statement.replace("IS_NAMED", is_named), {**parameters, **named, **more})
        return [row[0] for row in cursor.fetchall()]


def on_the_way(subject: Subject) -> Iterator[Waiting]:
    """Yield what is in flight, on the queue or in the inbox for the subject; RedisError when nobody can look."""
    return (message for message in waiting() if subject.is_named(tokens_in(message.raw)))


# A message that was applied says by its patient whom it is about; one that was not only by the numbers in it.
MATCHED: Final = """
WITH matched AS MATERIALIZED (
  SELECT id FROM interconnect_inboundmessage WHERE patient_id = ANY(%(patients)s)
  UNION
  SELECT message_id FROM vitals_movement
  WHERE visit_id = ANY(%(visits)s) OR bed_id = ANY(%(beds)s) OR prior_bed_id = ANY(%(beds)s)
  UNION
  SELECT m.id FROM interconnect_messagetokens t JOIN interconnect_inboundmessage m ON m.id = t.message_id
  WHERE (IS_NAMED) AND (m.patient_id IS NULL OR cardinality(%(patients)s::bigint[]) = 0)
)"""
NEWEST: Final = """
SELECT id FROM matched JOIN interconnect_inboundmessage USING (id)
WHERE (%(before)s::bigint IS NULL OR id < %(before)s) AND NOT EXISTS (
  SELECT 1 FROM interconnect_inboundmessage replay JOIN matched later ON later.id = replay.id
  WHERE replay.replay_of_id = matched.id)
ORDER BY id DESC LIMIT %(limit)s"""
OPEN: Final = """
SELECT message_id FROM matched JOIN interconnect_deadletter letter ON letter.message_id = matched.id
WHERE letter.state IN ('open', 'replaying') ORDER BY message_id DESC LIMIT %(limit)s"""
