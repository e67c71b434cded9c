"""Stopping and resuming, and what becomes of held messages.

People write to PostgreSQL; the queue's owner tells Redis, where every claim reads it. Nobody else does: two who write
could leave a rule there that PostgreSQL has forgotten.
"""

import json
from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from audit.models import AuditEvent
from epicops import keys
from epicops.redis_client import Redis
from interconnect.consumer.delivery import Delivery, Status
from interconnect.consumer.pauses import Rule
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
    """Whether the queue is paused and all that had been claimed is committed and acknowledged."""
    return bool(client.hexists(keys.CONTROL, "paused")) and not client.exists(keys.INFLIGHT)


def hold(deliveries: Sequence[Delivery], rules: Sequence[Rule]) -> None:
    """Keep back what the rules hold, whatever it says; but not what is a copy of an earlier message."""
    for delivery in deliveries if rules else ():
        if delivery.duplicate_of is None and (
            rule := next((rule for rule in rules if rule.holds(delivery.header)), None)
        ):
            delivery.hold(rule.pause_id)


def released(limit: int) -> list[Delivery]:
    """Return held messages whose pause is over, in the order they came; settle the pauses that have none left."""
    over = list(Pause.objects.over())
    for pause in over:
        _hand_on(pause)
    held = InboundMessage.objects.filter(status=Status.HELD, pause__in=over).order_by("pk")[:limit] if over else ()
    if over and not held:
        Pause.objects.filter(pk__in=[pause.pk for pause in over]).update(settled_at=Now())
    return [
        Delivery(ordinal, bytes(message.raw), replay_of=message.pk, is_release=True)
        for ordinal, message in enumerate(held)
    ]


def _hand_on(pause: Pause) -> None:
    """Leave to another pause that is in force what that one would hold, too."""
    held = InboundMessage.objects.filter(status=Status.HELD, pause=pause)
    for other in Pause.objects.in_force().exclude(scope=Pause.Scope.QUEUE):
        held.filter(_holds(other)).update(pause=other)


def _holds(pause: Pause) -> Q:
    if pause.scope == Pause.Scope.FACILITY:
        return Q(sending_facility=pause.value)
    return Q(message_type=pause.value) | Q(message_type__startswith=f"{pause.value}^")


def _latest(ends: list[datetime | None]) -> int:
    return max(int(end.timestamp()) for end in ends if end) if all(ends) else WITHOUT_END


def _record(code: str, by: AbstractBaseUser, pause: Pause) -> None:
    detail = {"scope": pause.scope, "value": pause.value}
    AuditEvent.objects.record(
        AuditEvent.Action.EXECUTE, code, actor=by, object_type="pause", object_id=pause.pk, detail=detail
    )
