"""Driving a large replay, one step at a time.

A step is one transaction under the redrive's row lock: a process that is killed leaves each letter either released,
once, or untouched, and any process can take the next step.
"""

from collections import Counter
from datetime import timedelta
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit.models import AuditEvent
from interconnect.models import DeadLetter, DeadLetterQuerySet, Redrive, RedriveItem

Item = RedriveItem.State
OUTCOMES: Final[dict[str, str]] = {
    DeadLetter.State.RESOLVED.value: "resolved",
    DeadLetter.State.FAILED_AGAIN.value: "failed again",
}


@transaction.atomic
def start(
    letters: DeadLetterQuerySet, *, by: AbstractBaseUser, selection: str, rate: int, canary: int, stop_percent: int
) -> Redrive:
    """Write down which letters are meant; nothing is released yet."""
    limits = {"rate": rate, "canary": canary, "stop_percent": stop_percent}
    redrive = Redrive.objects.create(selection=selection, started_by_id=by.pk, **limits)
    ids = letters.open().order_by("pk").values_list("pk", flat=True)
    RedriveItem.objects.bulk_create((RedriveItem(redrive=redrive, letter_id=pk) for pk in ids), batch_size=5000)
    _record("redrive.start", by, redrive, {**limits, "count": redrive.items.count()})
    return redrive


@transaction.atomic
def step(pk: int) -> Redrive:
    """Release what the canary, the failures so far and the rate allow; return the redrive as it is now."""
    redrive = Redrive.objects.select_for_update().get(pk=pk)
    if redrive.state != Redrive.State.RUNNING:
        return redrive
    outcome = report(redrive)
    finished = outcome["resolved"] + outcome["failed again"]
    released = finished + outcome["with the worker"]
    if finished and outcome["failed again"] * 100 > finished * redrive.stop_percent:
        _settle(redrive, Redrive.State.STOPPED, outcome)
    elif released < redrive.canary:
        _release(redrive, redrive.canary - released)
    elif finished >= redrive.canary:
        _release(redrive, redrive.rate)
    if not outcome["waiting"] and not outcome["with the worker"]:
        _settle(redrive, Redrive.State.DONE, outcome)
    return redrive


def report(redrive: Redrive) -> Counter[str]:
    """Return how many messages ended how: the words are those of the printed report."""
    waiting = redrive.items.filter(state=Item.WAITING).count()
    left_out = redrive.items.filter(state=Item.LEFT_OUT).count()
    counts = Counter({"waiting": waiting, "left out": left_out})
    for state in redrive.items.filter(state=Item.RELEASED).values_list("letter__state", flat=True):
        counts[OUTCOMES.get(state, "with the worker")] += 1
    return counts


@transaction.atomic
def turn(pk: int, state: str, *, by: AbstractBaseUser) -> Redrive:
    """Pause, resume or cancel; ValueError when it has ended."""
    redrive = Redrive.objects.select_for_update().get(pk=pk)
    if redrive.state in (Redrive.State.DONE, Redrive.State.CANCELLED):
        raise ValueError(f"{redrive} has ended: {redrive.get_state_display().lower()}")
    redrive.state, redrive.stepped_at = state, timezone.now()
    redrive.save(update_fields=["state", "stepped_at"])
    _record(f"redrive.{state}", by, redrive, {})
    return redrive


def _release(redrive: Redrive, most: int) -> None:
    """Hand the next letters to the worker, no more than the rate allows since the last step and a second's at once."""
    now = timezone.now()
    earned = int((now - redrive.stepped_at) / timedelta(seconds=1) * redrive.rate)
    if not (number := min(most, earned, redrive.rate)):
        return
    waiting = redrive.items.filter(state=Item.WAITING).order_by("letter")
    ids = list(waiting.values_list("letter", flat=True)[:number])
    free = DeadLetter.objects.open().filter(pk__in=ids).order_by("pk").select_for_update()
    released = list(free.values_list("pk", flat=True))
    DeadLetter.objects.filter(pk__in=released).request_replay(by=redrive.started_by)
    chosen = redrive.items.filter(letter__in=ids)
    chosen.filter(letter__in=released).update(state=Item.RELEASED)
    chosen.filter(~Q(letter__in=released)).update(state=Item.LEFT_OUT)
    redrive.stepped_at = now
    redrive.save(update_fields=["stepped_at"])


def _settle(redrive: Redrive, state: str, outcome: Counter[str]) -> None:
    redrive.state = state
    redrive.save(update_fields=["state"])
    _record(f"redrive.{state}", redrive.started_by, redrive, dict(outcome))


def _record(code: str, by: AbstractBaseUser, redrive: Redrive, detail: dict[str, int]) -> None:
    AuditEvent.objects.record(
        AuditEvent.Action.EXECUTE, code, actor=by, object_type="redrive", object_id=redrive.pk, detail=detail
    )
