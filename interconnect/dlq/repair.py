"""Making a repair on dead letters, a slice at a time, as their redrive releases them."""

from collections.abc import Sequence

from django.contrib.auth.models import AbstractBaseUser

from audit.models import AuditEvent
from interconnect.dlq.dead_letters import as_last_edited
from interconnect.dlq.repairs import Step, repaired
from interconnect.models import DeadLetter, FailureGroup, Repair, Revision


def keep(name: str, group: FailureGroup, steps: Sequence[Step], *, by: AbstractBaseUser) -> Repair:
    """Keep the steps as a repair for this failure; the audit has neither its name nor its values."""
    repair = Repair.objects.create(name=name, group=group, steps_made=steps, made_by_id=by.pk)
    AuditEvent.objects.record(
        AuditEvent.Action.CREATE,
        "repair.keep",
        actor=by,
        object_type="repair",
        object_id=repair.pk,
        detail={"group": group.pk, "paths": [step.path for step in steps]},
    )
    return repair


def make(repair: Repair, letter_ids: Sequence[int], *, by: AbstractBaseUser) -> list[int]:
    """Keep a revision of each of these letters with the repair made; return those that are repaired now.

    Left as it is and not returned is a letter that the repair does not fit. One that somebody has already edited to
    the same end is returned without another revision.
    """
    letters = list(DeadLetter.objects.filter(pk__in=letter_ids).select_related("message").order_by("pk"))
    revisions, done = [], []
    for letter, current in zip(letters, as_last_edited(letters), strict=True):
        edited = attempt(repair, current)
        if edited != current:
            reason = f"Repair: {repair.name}"
            revisions.append(Revision(message=letter.message, raw=edited, reason=reason, edited_by_id=by.pk))
            done.append(letter.pk)
        elif attempt(repair, bytes(letter.message.raw)) == current != letter.message.raw:
            done.append(letter.pk)
    Revision.objects.bulk_create(revisions)
    AuditEvent.objects.record(
        AuditEvent.Action.UPDATE,
        "message.repair",
        actor=by,
        object_type="repair",
        object_id=repair.pk,
        detail={"count": len(done), "ids": done},
    )
    return done


def attempt(repair: Repair | None, raw: bytes) -> bytes:
    """Return the message repaired, the same bytes where the repair does not fit, cannot be made or is None."""
    try:
        return repaired(raw, repair.steps) if repair else raw
    except ValueError:
        return raw
