"""Does it add up? Every message that was pushed is waiting, in flight, or a row that says what became of it.

Senders push to the list themselves, so nobody can count for them. The claim script does: what the list has grown by
since it last looked was pushed, what it has shrunk by without a claim has vanished. The counts begin with `since`, the
batch of the first claim, and begin anew when Redis loses its data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import Count

from epicops import keys
from epicops.redis_client import Redis
from interconnect.consumer.queue import made_at
from interconnect.dlq.foreign import FAILED_ELSEWHERE
from interconnect.models import DeadLetter, InboundMessage

Status = InboundMessage.Status

FIRST_BATCHES: Final = 100

# KEYS 1 queue 2 inflight 3 ctl
# ->  {since, pushed, vanished, left, waiting, in flight in lane 0, then of each lane what waits in it and is in flight}
LOOK: Final = """
local ctl = {}
for place, name in ipairs({'since', 'pushed', 'vanished', 'left'}) do
  local shape = name == 'since' and '^%x+%-%x+%-%x+%-%x+%-%x+$' or '^%d+$'
  ctl[place] = string.match(redis.call('HGET', KEYS[3], name) or '', shape) or ''
end
ctl[5] = redis.call('LLEN', KEYS[1])
ctl[6] = math.max(redis.call('LLEN', KEYS[2]) - 1, 0)
local lanes = tonumber(redis.call('HGET', KEYS[3], 'lanes')) or 1
for lane = 1, lanes > 1 and lanes or 0 do
  local name = string.gsub(KEYS[2], 'inflight$', 'lane:' .. lane)
  ctl[#ctl + 1] = redis.call('LLEN', name)
  ctl[#ctl + 1] = math.max(redis.call('LLEN', name .. ':inflight') - 1, 0)
end
return ctl
"""


class LaneCounts(NamedTuple):
    """What was dealt out to a lane and waits there, and what its owner has claimed. Lane 0 claims from the queue."""

    waiting: int
    inflight: int


@dataclass(frozen=True, slots=True)
class Look:
    """What Redis says at one moment."""

    since: UUID | None  # nothing has been claimed yet
    pushed: int
    vanished: int
    waiting: int
    lanes: tuple[LaneCounts, ...]

    @property
    def inflight(self) -> int:
        """How many were taken from the queue and are not acknowledged, those that wait in lanes included."""
        return sum(map(sum, self.lanes))

    @property
    def claimed(self) -> int:
        return self.pushed - self.vanished - self.waiting


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Where every message is that was pushed `since` then; `missing` and `surplus` are what does not add up."""

    since: datetime | None
    pushed: int
    vanished: int
    waiting: int
    inflight: int  # those of all lanes
    lanes: tuple[LaneCounts, ...]  # lane 0 and, where the queue is dealt out, the others
    rows: Mapping[str, int]  # by what became of them
    missing: int  # claimed, acknowledged, and no row
    surplus: int  # rows of messages that Redis does not know to have been claimed

    @property
    def is_balanced(self) -> bool:
        return not (self.vanished or self.missing or self.surplus)


def reconcile(client: Redis) -> Reconciliation:
    """Return the account of now; raises RedisError or DatabaseError when a store is away.

    Redis is asked before and after PostgreSQL. What was acknowledged by the first answer must have rows, and what has
    rows must have been claimed by the second: a busy worker cannot make the account look wrong.
    """
    before = look(client)
    rows = committed(before.since) if before.since else {}
    after = look(client)
    total = sum(rows.values())
    return Reconciliation(
        since=made_at(after.since) if after.since else None,
        pushed=after.pushed,
        vanished=after.vanished,
        waiting=after.waiting,
        inflight=after.inflight,
        lanes=after.lanes,
        rows=rows,
        missing=max(before.claimed - before.inflight - total, 0),
        surplus=max(total - after.claimed, 0) if before.since == after.since else 0,
    )


def look(client: Redis) -> Look:
    since, *numbers = client.eval(LOOK, 3, keys.QUEUE, keys.INFLIGHT, keys.CONTROL)
    pushed, vanished, left, waiting, first, *others = (int(number or 0) for number in numbers)
    came = waiting - left  # not counted by a claim yet
    return Look(
        since=UUID(since.decode()) if since else None,
        pushed=pushed + max(came, 0),
        vanished=vanished + max(-came, 0),
        waiting=waiting,
        lanes=(LaneCounts(0, first), *map(LaneCounts, others[::2], others[1::2])),
    )


def committed(since: UUID) -> dict[str, int]:
    """Count the messages that came from the queue since this batch, by status; of the dead the discarded by themselves.

    Replays, and what others put on the DLQ, were never pushed. Counting by status reads an index only.
    """
    since_then = InboundMessage.objects.filter(batch__gte=since).order_by("batch_id", "ordinal")
    # Lanes commit side by side: the earliest batch need not have the lowest ids.
    first = min(since_then.filter(ordinal=0).values_list("pk", flat=True)[:FIRST_BATCHES], default=None)
    if first is None:
        return {}
    rows = InboundMessage.objects.filter(pk__gte=first).order_by()
    letters = DeadLetter.objects.filter(message__gte=first, message__status=Status.DEAD, message__replay_of=None)
    by_status = rows.values_list("status").annotate(number=Count("pk"))
    replays = dict(rows.filter(replay_of__isnull=False).values_list("status").annotate(number=Count("pk")))
    counts = {status: number - replays.get(status, 0) for status, number in by_status}
    foreign = letters.filter(error_class=FAILED_ELSEWHERE)
    discarded = letters.exclude(error_class=FAILED_ELSEWHERE).filter(state=DeadLetter.State.DISCARDED).count()
    dead = counts.pop(Status.DEAD, 0) - foreign.count() - discarded
    return counts | {Status.DEAD: dead, "discarded": discarded}
