"""What the workers have claimed and not acknowledged yet, and what a person can do about a claim that does not move."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from epicops import keys
from epicops.crypto import is_sealed
from epicops.redis_client import Redis
from interconnect.consumer.queue import SUSPICIOUS, made_at
from interconnect.hl7.er7 import Header, peek_header
from interconnect.models import Batch

HEAD: Final = 512  # bytes of a message; MSH is well within

# KEYS 1 inflight 2 takeovers  ARGV 1 bytes wanted of each  ->  {} | {batch id, takeovers, oldest message, ..., newest}
SHOW: Final = """
local claim = redis.call('LRANGE', KEYS[1], 0, -1)
if #claim == 0 then return {} end
local shown = {claim[1], tonumber(redis.call('HGET', KEYS[2], claim[1]) or 0)}
for place = #claim, 2, -1 do shown[#shown + 1] = string.sub(claim[place], 1, tonumber(ARGV[1])) end
return shown
"""

# KEYS 1 inflight 2 takeovers 3 canary  ARGV 1 batch id 2 takeovers that make it suspicious 3 message to put aside or ''
# ->  1 done, 0 another claim is in flight
SUSPECT: Final = """
if redis.call('LINDEX', KEYS[1], 0) ~= ARGV[1] then return 0 end
if tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
end
if ARGV[3] ~= '' then
  if redis.call('HGET', KEYS[3], 'batch') ~= ARGV[1] then
    local noted = redis.call('HGETALL', KEYS[3])
    for place = 1, #noted, 2 do redis.call('HDEL', KEYS[3], noted[place]) end
    redis.call('HSET', KEYS[3], 'batch', ARGV[1])
  end
  redis.call('HSET', KEYS[3], 'aside:' .. ARGV[3], 1)
end
return 1
"""


@dataclass(frozen=True, slots=True)
class Flight:
    """A claim. `is_committed`: PostgreSQL has it and only the acknowledgement is missing."""

    batch: UUID
    claimed_at: datetime
    takeovers: int
    headers: tuple[Header | None, ...]  # oldest first; None for a sealed message
    is_committed: bool

    @property
    def size(self) -> int:
        return len(self.headers)


def claims(client: Redis, lanes: int) -> list[UUID | None]:
    """Return the batch in flight of each of so many lanes, the first of them lane 0; raises RedisError."""
    pipe = client.pipeline(transaction=False)
    for lane in range(lanes):
        pipe.lindex(keys.inflight(lane), 0)
    return [UUID(batch.decode()) if batch else None for batch in pipe.execute()]


def flight(client: Redis, lane: int = 0) -> Flight | None:
    """Return the claim in flight in a lane, None when there is none; raises RedisError or DatabaseError."""
    reply = client.eval(SHOW, 2, keys.inflight(lane), keys.TAKEOVERS, HEAD)
    if not reply:
        return None
    batch, takeovers, *heads = reply
    pk = UUID(batch.decode())
    return Flight(
        batch=pk,
        claimed_at=made_at(pk),
        takeovers=takeovers,
        headers=tuple(None if is_sealed(head) else peek_header(head) for head in heads),
        is_committed=Batch.objects.filter(pk=pk).exists(),
    )


def suspect(client: Redis, batch: UUID, ordinal: int | None = None, lane: int = 0) -> bool:
    """Have this claim taken message by message when it comes back, and one of them put aside as a dead letter.

    False when another claim is in flight by now. It comes back when its owner's session ends.
    """
    aside = "" if ordinal is None else str(ordinal)
    names = (keys.inflight(lane), keys.TAKEOVERS, keys.canary(lane))
    return bool(client.eval(SUSPECT, 3, *names, str(batch), SUSPICIOUS, aside))
