"""Driving a large replay, one step at a time; the worker takes the steps.

A step is one transaction under the redrive's row lock: a worker that is killed leaves each letter either released,
once, or untouched, and the next one goes on.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from audit.models import AuditEvent
from epicops.bulk import copy_rows
from interconnect.dlq import repair
from interconnect.models import DeadLetter, DeadLetterQuerySet, Redrive, RedriveItem

Item = RedriveItem.State
OUTCOMES: Final = {DeadLetter.State.RESOLVED: Item.RESOLVED, DeadLetter.State.FAILED_AGAIN: Item.FAILED_AGAIN}
LIMITS: Final = ("canary", "rate", "stop_percent", "mode", "opens_at", "closes_at")


@transaction.atomic
def start(redrive: Redrive, letters: DeadLetterQuerySet) -> Redrive:
    """Save the redrive and write down which letters are meant; nothing is released yet."""
    redrive.save()
    ids = list(letters.open().order_by("pk").values_list("pk", flat=True))
    copy_rows(RedriveItem, ("redrive_id", "letter_id", "state"), ((redrive.pk, pk, Item.WAITING.value) for pk in ids))
    limits = {name: str(getattr(redrive, name) or "") for name in LIMITS}
    _record("redrive.start", redrive.started_by, redrive, {**limits, "count": len(ids)})
    return redrive


def advance() -> None:
    """Take a step of each redrive that is running."""
    for pk in Redrive.objects.filter(state=Redrive.State.RUNNING).order_by("pk").values_list("pk", flat=True):
        step(pk)


@transaction.atomic
def step(pk: int) -> Redrive:
    """Release what the canary, the failures so far, the window and the rate allow; return the redrive as it is now."""
    redrive = Redrive.objects.select_for_update().get(pk=pk)
    if redrive.state != Redrive.State.RUNNING:
        return redrive
    for letter, item in OUTCOMES.items():
        redrive.items.filter(state=Item.RELEASED, letter__state=letter).update(state=item)
    outcome = report(redrive)
    finished = outcome[Item.RESOLVED] + outcome[Item.FAILED_AGAIN]
    if finished and outcome[Item.FAILED_AGAIN] * 100 > finished * redrive.stop_percent:
        _settle(redrive, Redrive.State.STOPPED, outcome)
    elif not outcome[Item.WAITING] and not outcome[Item.RELEASED]:
        _settle(redrive, Redrive.State.DONE, outcome)
    elif redrive.is_open_at(timezone.localtime().time()):
        room = redrive.canary - finished if finished < redrive.canary else redrive.rate
        _release(redrive, room - outcome[Item.RELEASED])
    return redrive


def report(redrive: Redrive) -> Counter[str]:
    """Return how many letters are in which state, that of RedriveItem; also what no step has noted yet is counted."""
    counts = Counter(dict(redrive.items.order_by().values_list("state").annotate(number=Count("pk"))))
    released = redrive.items.filter(state=Item.RELEASED).order_by()
    for state, number in released.values_list("letter__state").annotate(number=Count("pk")):
        if state in OUTCOMES:
            counts[OUTCOMES[state]] += number
            counts[Item.RELEASED] -= number
    return counts


@transaction.atomic
def turn(pk: int, state: str, *, by: AbstractBaseUser, limits: Mapping[str, Any] | None = None) -> Redrive:
    """Pause, cancel, or go on, also with new limits; ValueError when it has ended."""
    redrive = Redrive.objects.select_for_update().get(pk=pk)
    if redrive.has_ended:
        raise ValueError(f"{redrive} has ended: {redrive.get_state_display().lower()}")
    for name, value in (limits or {}).items():
        setattr(redrive, name, value)
    redrive.state, redrive.stepped_at = state, timezone.now()
    redrive.ended_at = timezone.now() if redrive.has_ended else None
    redrive.save()
    _record(f"redrive.{state}", by, redrive, {name: str(value or "") for name, value in (limits or {}).items()})
    return redrive


def _release(redrive: Redrive, most: int) -> None:
    """Hand the next letters to the worker, no more than the rate allows since the last step and a second's at once."""
    now = timezone.now()
    earned = int((now - redrive.stepped_at) / timedelta(seconds=1) * redrive.rate)
    if (number := min(most, earned, redrive.rate)) <= 0:
        return
    waiting = redrive.items.filter(state=Item.WAITING).order_by("letter_id")
    ids = list(waiting.values_list("letter", flat=True)[:number])
    free = DeadLetter.objects.replayable().filter(pk__in=ids).order_by("pk").select_for_update()
    released = list(free.values_list("pk", flat=True))
    if redrive.repair:
        released = repair.make(redrive.repair, released, by=redrive.started_by)
    DeadLetter.objects.filter(pk__in=released).request_replay(by=redrive.started_by, mode=redrive.mode)
    chosen = redrive.items.filter(letter__in=ids)
    chosen.filter(letter__in=released).update(state=Item.RELEASED)
    chosen.filter(~Q(letter__in=released)).update(state=Item.LEFT_OUT)
    redrive.stepped_at = now
    redrive.save(update_fields=["stepped_at"])


def _settle(redrive: Redrive, state: str, outcome: Mapping[str, int]) -> None:
    redrive.state = state
    redrive.ended_at = timezone.now() if redrive.has_ended else None
    redrive.save(update_fields=["state", "ended_at"])
    _record(f"redrive.{state}", redrive.started_by, redrive, outcome)


def _record(code: str, by: AbstractBaseUser, redrive: Redrive, detail: Mapping[str, Any]) -> None:
    AuditEvent.objects.record(
        AuditEvent.Action.EXECUTE, code, actor=by, object_type="redrive", object_id=redrive.pk, detail=detail
    )
