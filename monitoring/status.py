"""How the whole system is, at a glance. A part that is away is reported as such and never hides the others."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from django.db import DatabaseError
from django.db.models import Count
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from epicops import keys
from epicops.redis_client import Redis, queue_web_client, sessions_client
from interconnect.er7 import parse
from interconnect.models import Batch, DeadLetter, InboundMessage
from interconnect.rejected import MessageRejected
from interconnect.timestamps import parse as parse_time

T = TypeVar("T")

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


@dataclass(frozen=True, slots=True)
class Totals:
    """What is in PostgreSQL, counted over all time but for the open dead letters."""

    applied: int
    skipped: int
    dead: int
    open_dead_letters: int
    last_batch_at: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """None stands for a part that did not answer."""

    queue: Queue | None
    totals: Totals | None
    servers: dict[str, bool]


def status() -> Status:
    """Return how things are now; never raises for a server that is away."""
    queue = _answer(lambda: _queue(queue_web_client()))
    totals = _answer(_totals)
    return Status(
        queue=queue,
        totals=totals,
        servers={
            "PostgreSQL": totals is not None,
            "Redis sessions": _answer(sessions_client().ping) is not None,
            "Redis queue": queue is not None,
            "Redis cache": _answer(lambda: get_redis_connection("default").ping()) is not None,
        },
    )


def _answer(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except (RedisError, DatabaseError, OSError):
        return None


def _queue(client: Redis) -> Queue:
    with client.pipeline(transaction=False) as pipe:
        for key in (keys.QUEUE, keys.INFLIGHT, keys.DLQ):
            pipe.llen(key)
        pipe.eval(OLDEST_HEAD, 1, keys.QUEUE, HEAD)
        waiting, inflight, dlq, head = pipe.execute()
    # The first element in flight is the batch id.
    return Queue(waiting, max(inflight - 1, 0), dlq, _sent_at(head))


def _sent_at(head: bytes) -> datetime | None:
    try:
        header = parse(head, fallback="latin-1").first("MSH")  # the cut may be within a character
        return parse_time(header.get(7)) if header else None
    except (MessageRejected, ValueError):
        return None


def _totals() -> Totals:
    by_status = dict(InboundMessage.objects.order_by().values_list("status").annotate(number=Count("pk")))
    return Totals(
        applied=by_status.get(InboundMessage.Status.APPLIED, 0),
        skipped=by_status.get(InboundMessage.Status.SKIPPED, 0),
        dead=by_status.get(InboundMessage.Status.DEAD, 0),
        open_dead_letters=DeadLetter.objects.open().count(),
        # Ids are ordered by time (UUID version 7).
        last_batch_at=Batch.objects.order_by("-pk").values_list("committed_at", flat=True).first(),
    )
