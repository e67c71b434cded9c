"""Stopping and resuming, and what becomes of held messages.

People write to PostgreSQL; the queue's owner tells Redis, where every claim reads it. Nobody else does: two who write
could leave a rule there that PostgreSQL has forgotten.
"""

import json
from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Count, Q
from django.db.models.functions import Length, Now

from audit.models import AuditEvent
from epicops import keys
from epicops.redis_client import Redis
from interconnect.consumer.delivery import Delivery, Status
from interconnect.consumer.holds import held_by
from interconnect.consumer.lanes import current
from interconnect.consumer.pauses import Rule
from interconnect.consumer.queue import first_fitting
from interconnect.models import InboundMessage, Pause, PauseQuerySet

WITHOUT_END = 0  # as Unix time


@transaction.atomic
def pause(pause: Pause, *, by: AbstractBaseUser) -> Pause:
    """Begin this pause within half a second; ValidationError when it does not say what it stops."""
    pause.paused_by_id = by.pk
    pause.full_clean(exclude=("paused_by", "resumed_by"))
    pause.save()
    _record("queue.pause", by, pause)
    return pause


@transaction.atomic
def resume(pauses: PauseQuerySet, *, by: AbstractBaseUser) -> int:
    """End those that are in force; return how many. Held messages are applied before newer ones of their kind."""
    ended = list(pauses.in_force().select_for_update())
    Pause.objects.filter(pk__in=[pause.pk for pause in ended]).update(resumed_by=by, resumed_at=Now())
    for pause in ended:
        _record("queue.resume", by, pause)
    return len(ended)


def publish(client: Redis) -> None:
    """Tell every claim from now on what is paused; for the queue's owner only. Raises RedisError."""
    queue_ends = list(Pause.objects.in_force().filter(scope=Pause.Scope.QUEUE).values_list("until", flat=True))
    rules = Pause.objects.unsettled().exclude(scope=Pause.Scope.QUEUE).order_by("pk")
    held = [list(rule) for rule in rules.values_list("pk", "scope", "value")]
    fields = {"paused": _latest(queue_ends) if queue_ends else None, "held": json.dumps(held) if held else None}
    with client.pipeline(transaction=True) as pipe:
        for name, value in fields.items():
            if value is None:
                pipe.hdel(keys.CONTROL, name)
            else:
                pipe.hset(keys.CONTROL, name, str(value))
        pipe.execute()


def is_drained(client: Redis) -> bool:
    """Whether the queue is paused and all that had been claimed, in any lane, is committed and acknowledged."""
    in_flight = [keys.inflight(lane) for lane in range(current(client) + 1)]
    return bool(client.hexists(keys.CONTROL, "paused")) and not client.exists(*in_flight)


def hold(deliveries: Sequence[Delivery], rules: Sequence[Rule]) -> None:
    """Keep back what the rules hold, whatever it says; but no copy of an earlier message, nor what is given up."""
    if not rules:
        return
    holds = [rule.pause_id for rule in rules if rule.scope == Pause.Scope.PATIENT]
    by_patient = held_by([delivery.raw for delivery in deliveries], holds)
    for delivery, patients_hold in zip(deliveries, by_patient, strict=True):
        by_kind = next((rule.pause_id for rule in rules if rule.holds(delivery.header)), None)
        is_settled = delivery.duplicate_of or delivery.verdict
        if not is_settled and (pause_id := by_kind or patients_hold):
            delivery.hold(pause_id)


def released(limit: int) -> list[Delivery]:
    """Return held messages whose pause is over, in the order they came; settle the pauses that have none left.

    No more at once than `limit`, nor than one claim may have.
    """
    over = list(Pause.objects.over())
    if not over:
        return []
    for pause in over:
        _hand_on(pause)
    waiting = InboundMessage.objects.filter(status=Status.HELD, pause__in=over).order_by("pk")
    while sized := list(waiting.values_list("pk", Length("raw"))[:limit]):
        held = list(waiting.filter(pk__in=first_fitting(sized)))
        deliveries = [
            Delivery(ordinal, bytes(message.raw), replay_of=message.pk, is_release=True)
            for ordinal, message in enumerate(_not_held_for_patient(held))
        ]
        if deliveries:
            return deliveries
    Pause.objects.filter(pk__in=[pause.pk for pause in over]).update(settled_at=Now())
    return []


def held_counts() -> dict[int, int]:
    """Return how many messages each pause holds back."""
    held = InboundMessage.objects.filter(status=Status.HELD, pause__isnull=False).order_by()
    return dict(held.values_list("pause").annotate(number=Count("pk")))


def _hand_on(pause: Pause) -> None:
    """Leave to another pause that is in force what that one would hold, too."""
    held = InboundMessage.objects.filter(status=Status.HELD, pause=pause)
    for other in Pause.objects.in_force().filter(scope__in=(Pause.Scope.TYPE, Pause.Scope.FACILITY)):
        held.filter(_holds(other)).update(pause=other)


def _not_held_for_patient(held: Sequence[InboundMessage]) -> list[InboundMessage]:
    """Return those of no patient who is held; leave the others to that hold."""
    holds = list(Pause.objects.in_force().holds().values_list("pk", flat=True))
    by_patient = held_by([bytes(message.raw) for message in held], holds)
    for message, hold in zip(held, by_patient, strict=True):
        if hold:
            InboundMessage.objects.filter(pk=message.pk).update(pause=hold)
    return [message for message, hold in zip(held, by_patient, strict=True) if hold is None]


def _holds(pause: Pause) -> Q:
    if pause.scope == Pause.Scope.FACILITY:
        return Q(sending_facility=pause.value)
    return Q(message_type=pause.value) | Q(message_type__startswith=f"{pause.value}^")


def _latest(ends: list[datetime | None]) -> int:
    return max(int(end.timestamp()) for end in ends if end) if all(ends) else WITHOUT_END


def _record(code: str, by: AbstractBaseUser, pause: Pause) -> None:
    detail = {"scope": pause.scope, "value": pause.value, "message": pause.message_id}
    AuditEvent.objects.record(
        AuditEvent.Action.EXECUTE, code, actor=by, object_type="pause", object_id=pause.pk, detail=detail
    )
