"""Giving dead letters up, and taking that back."""

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from audit.models import AuditEvent
from interconnect.dlq.failures import Discard, FailureGroup
from interconnect.dlq.second_look import consent_for
from interconnect.models import DeadLetter, DeadLetterQuerySet


@transaction.atomic
def discard(letters: DeadLetterQuerySet, *, by: AbstractBaseUser, reason: str, text: str) -> Discard | None:
    """Discard those of the letters that are open, as one decision; None when none is open any more.

    With four eyes, several stay open until somebody else agrees.
    """
    ids = locked(letters.open())
    if not ids:
        return None
    consent = consent_for(len(ids) > 1)
    decision = Discard.objects.create(reason=reason, text=text, count=len(ids), discarded_by_id=by.pk, consent=consent)
    DeadLetter.objects.filter(pk__in=ids).update(discard=decision)
    if decision.is_waiting:
        _record("message.discard-ask", by, decision, ids)
    else:
        _carry_out(decision, by)
    return decision


@transaction.atomic
def decide(decision: Discard, *, by: AbstractBaseUser, agreed: bool) -> None:
    """Say as the second operator whether the letters are discarded; ValueError when that is not theirs to say."""
    decision.refresh_from_db(from_queryset=Discard.objects.select_for_update())  # a third may be answering as well
    decision.decide(by=by, agreed=agreed)
    if agreed:
        _carry_out(decision, by)
    else:
        _record("message.discard-refuse", by, decision, [])


def _carry_out(decision: Discard, by: AbstractBaseUser) -> None:
    ids = locked(DeadLetter.objects.open().filter(discard=decision))
    DeadLetter.objects.filter(pk__in=ids).update(state=DeadLetter.State.DISCARDED)
    _record("message.discard", by, decision, ids)


@transaction.atomic
def restore(decision: Discard, *, by: AbstractBaseUser) -> int:
    """Open what this decision discarded and is still discarded; return how many. Raises ValueError after 30 days.

    Their failures, resolved meanwhile perhaps, are open again too.
    """
    if not decision.is_reversible:
        raise ValueError("A discard can be taken back for 30 days only")
    ids = locked(DeadLetter.objects.filter(discard=decision, state=DeadLetter.State.DISCARDED))
    if ids:
        DeadLetter.objects.filter(pk__in=ids).update(state=DeadLetter.State.OPEN)
        resolved = FailureGroup.objects.filter(state=FailureGroup.State.RESOLVED)
        resolved.filter(letters__in=ids).update(state=FailureGroup.State.OPEN)
        _record("message.restore", by, decision, ids)
    return len(ids)


def locked(letters: DeadLetterQuerySet) -> list[int]:
    """Return the ids of these letters, locked in one order so that two operators never wait for each other.

    PostgreSQL checks the condition once more on each row it had to wait for.
    """
    return list(letters.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True))


def _record(code: str, by: AbstractBaseUser, decision: Discard, ids: list[int]) -> None:
    AuditEvent.objects.record(
        AuditEvent.Action.UPDATE,
        code,
        actor=by,
        object_type="discard",
        object_id=decision.pk,
        detail={"reason": decision.reason, "count": len(ids), "ids": ids},
    )
