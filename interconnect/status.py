"""How much is where: the counts that add up to every message ever pushed."""

from typing import TypedDict

from django.db.models import Count

from epicops import keys
from epicops.redis_client import Redis
from interconnect.consumer.queue import depth
from interconnect.models import DeadLetter, InboundMessage, InboxMessage


class Counts(TypedDict):
    """Messages by where they are; `dead` counts deliveries, `dead_letters` what still waits for a person."""

    inbox: int
    queue: int
    inflight: int
    applied: int
    skipped: int
    dead: int
    held: int
    dead_letters: int
    discarded: int
    dlq: int


def counts(client: Redis) -> Counts:
    """Return the counts; raises RedisError or DatabaseError when a store is away."""
    waiting, inflight = depth(client)
    statuses = InboundMessage.objects.order_by().values_list("status")
    by_status = dict(statuses.annotate(number=Count("pk")))
    return Counts(
        inbox=InboxMessage.objects.count(),
        queue=waiting,
        inflight=inflight,
        applied=by_status.get(InboundMessage.Status.APPLIED, 0),
        skipped=by_status.get(InboundMessage.Status.SKIPPED, 0),
        dead=by_status.get(InboundMessage.Status.DEAD, 0),
        held=by_status.get(InboundMessage.Status.HELD, 0),
        dead_letters=DeadLetter.objects.open().count(),
        discarded=DeadLetter.objects.filter(state=DeadLetter.State.DISCARDED).count(),
        dlq=client.llen(keys.DLQ),
    )
