"""How much is where: the counts that add up to every message ever pushed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypedDict

from django.db.models import Count

from epicops import keys
from epicops.redis_client import Redis
from interconnect.consumer.queue import depth
from interconnect.consumer.queue_scripts import DEPTH
from interconnect.hl7.er7 import readable
from interconnect.hl7.timestamps import parse as parse_time
from interconnect.models import DeadLetter, InboundMessage, InboxMessage

HEAD: Final = 512  # bytes; MSH-7 is well within
# KEYS 1 queue  ARGV 1 bytes wanted  ->  the start of the message that waits longest; it may be of 10 MiB
OLDEST_HEAD: Final = "return string.sub(redis.call('LINDEX', KEYS[1], -1) or '', 1, tonumber(ARGV[1]))"


@dataclass(frozen=True, slots=True)
class Queue:
    """What is in Redis. `oldest_sent_at` is what the longest waiting message says in MSH-7, None when unreadable."""

    waiting: int
    inflight: int
    dlq: int
    oldest_sent_at: datetime | None


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


def read_queue(client: Redis) -> Queue:
    """Return what is in Redis; raises RedisError."""
    with client.pipeline(transaction=False) as pipe:
        pipe.eval(DEPTH, 3, keys.QUEUE, keys.INFLIGHT, keys.CONTROL)
        pipe.llen(keys.DLQ)
        pipe.eval(OLDEST_HEAD, 1, keys.QUEUE, HEAD)
        (waiting, inflight), dlq, head = pipe.execute()
    return Queue(waiting, inflight, dlq, _sent_at(head))


def _sent_at(head: bytes) -> datetime | None:
    message = readable(head)  # the cut may be within a character
    try:
        return parse_time(message.header.get(7)) if message else None
    except ValueError:
        return None
