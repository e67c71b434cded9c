"""The inbound queue: take messages so that a crash at any point neither loses one nor applies one twice.

A claim moves messages from `interconnect:queue` to an in-flight list, stamped with an id made here. An unfinished
claim comes back first, to whoever claims next. PostgreSQL remembers committed ids, so a claim that comes back after its
commit is only acknowledged. docs/decisions has the reasons, docs/redis-keys.md the keys.
"""

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from epicops import keys
from epicops.crypto import SealBroken, ring
from epicops.redis_client import Redis
from interconnect.consumer.pauses import Rule

# One claim's messages; a larger single message still comes alone. Full of small values they take some ten seconds on a
# busy machine: an owner that reads for longer counts as hung, and systemd's watchdog ends it.
MAX_CLAIM_BYTES: Final = 4 * 1024 * 1024

SUSPICIOUS: Final = 2  # takeovers of a claim; one is what any restart or outage causes

# Counts pushes on the way (reconciliation.py): `left` is the length of the queue after the last look.
# KEYS 1 queue 2 inflight 3 ctl 4 takeovers  ARGV 1 count 2 new batch id 3 owner's token 4 byte limit 5 run id
# 6 the token's field in ctl: that of lane 0 claims from the queue itself
# -> {} | {'PAUSED'} | {'FENCED'} | {'CHANGED'}
#    | {how often it came back, pauses that hold, batch id, newest message, ..., oldest message}
CLAIM: Final = """
if redis.call('HGET', KEYS[3], ARGV[6]) ~= ARGV[3] then return {'FENCED'} end
if string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') ~= ARGV[5] then return {'CHANGED'} end
local held = redis.call('HGET', KEYS[3], 'held') or ''
local unfinished = redis.call('LINDEX', KEYS[2], 0)
if unfinished then
  local takeovers = redis.call('HINCRBY', KEYS[4], unfinished, 1)
  return {takeovers, held, unpack(redis.call('LRANGE', KEYS[2], 0, -1))}
end
local waiting = redis.call('LLEN', KEYS[1])
local is_queue = ARGV[6] == 'token'
if is_queue then
  for _, counted in ipairs(redis.call('HMGET', KEYS[3], 'left', 'pushed', 'vanished')) do
    if counted and not string.match(counted, '^%d+$') then  -- somebody wrote into it: the account begins anew
      redis.call('HDEL', KEYS[3], 'since', 'left', 'pushed', 'vanished')
    end
  end
end
local came = is_queue and waiting - tonumber(redis.call('HGET', KEYS[3], 'left') or 0)
if is_queue and came ~= 0 then
  redis.call('HSETNX', KEYS[3], 'since', ARGV[2])
  redis.call('HINCRBY', KEYS[3], came > 0 and 'pushed' or 'vanished', math.abs(came))
  redis.call('HSET', KEYS[3], 'left', waiting)
end
local paused = tonumber(redis.call('HGET', KEYS[3], 'paused'))
if paused == 0 or paused and paused > tonumber(redis.call('TIME')[1]) then return {'PAUSED'} end
local messages = redis.call('LRANGE', KEYS[1], -tonumber(ARGV[1]), -1)
local first, bytes = #messages + 1, 0
while first > 1 do
  bytes = bytes + #messages[first - 1]
  if bytes > tonumber(ARGV[4]) and first <= #messages then break end
  first = first - 1
end
if first > #messages then return {} end
redis.call('LTRIM', KEYS[1], 0, -(#messages - first + 2))
if is_queue then redis.call('HSET', KEYS[3], 'left', waiting - (#messages - first + 1)) end
redis.call('RPUSH', KEYS[2], ARGV[2])
redis.call('RPUSH', KEYS[2], unpack(messages, first))
return {0, held, unpack(redis.call('LRANGE', KEYS[2], 0, -1))}
"""

# KEYS 1 inflight 2 takeovers 3 canary  ARGV 1 batch id  ->  1 acknowledged, 0 some other claim is in flight
ACKNOWLEDGE: Final = """
if redis.call('LINDEX', KEYS[1], 0) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[3])
return 1
"""


class Fenced(Exception):  # noqa: N818  named for the state
    """Another worker owns the queue now; whatever this one holds comes back to the owner."""


class ServerChanged(Exception):  # noqa: N818  named for the state
    """Another server process answers for the queue; it may lack what the one before had."""


class Paused(Exception):  # noqa: N818  named for the state
    """An operator has stopped the queue."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages taken together, oldest first; `takeovers` says how often they came back unfinished."""

    id: UUID
    messages: tuple[bytes, ...]
    takeovers: int = field(default=0, compare=False)
    held: tuple[Rule, ...] = field(default=(), compare=False)  # what was paused when it was claimed

    @property
    def is_suspicious(self) -> bool:
        """Whether a message of it may kill workers: see canary.py."""
        return self.takeovers >= SUSPICIOUS


class InboundQueue:
    """The queue, or a lane of it, as its owner sees it; `token` proves the ownership to every claim."""

    def __init__(self, client: Redis, token: str, lane: int = 0) -> None:
        self.client = client
        self.token = token
        self.lane = lane
        self._list = keys.lane(lane) if lane else keys.QUEUE
        self._token_field = f"token:{lane}" if lane else "token"
        self.run_id = ""

    def take_over(self) -> None:
        """Fence every earlier owner: their next claim raises Fenced. Ours are of the server that answers now."""
        self.run_id = self.client.info("server")["run_id"]
        self.client.hset(keys.CONTROL, self._token_field, self.token)

    def claim(self, size: int) -> Claim | None:
        """Return the unfinished claim if there is one, else up to `size` messages; None when the queue is empty."""
        reply: list[Any] = self.client.eval(
            CLAIM,
            4,
            self._list,
            keys.inflight(self.lane),
            keys.CONTROL,
            keys.TAKEOVERS,
            size,
            str(uuid7()),
            self.token,
            MAX_CLAIM_BYTES,
            self.run_id,
            self._token_field,
        )
        match reply:
            case []:
                return None
            case [b"FENCED"]:
                raise Fenced
            case [b"CHANGED"]:
                raise ServerChanged
            case [b"PAUSED"]:
                raise Paused
        takeovers, held, batch, *newest_first = reply
        try:
            rules = tuple(Rule(*rule) for rule in json.loads(held or "[]"))
        except (ValueError, TypeError):  # somebody wrote into it; whoever takes the queue over says anew what is held
            raise Fenced from None
        return Claim(UUID(batch.decode()), tuple(opened(raw) for raw in reversed(newest_first)), takeovers, rules)

    def wait(self, seconds: float) -> None:
        """Return as soon as there is a message, or after so long. The oldest is moved to where it is: none is taken."""
        self.client.blmove(self._list, self._list, seconds, "RIGHT", "RIGHT")  # type: ignore[arg-type]  # a fraction

    def peek(self, size: int) -> list[bytes]:
        """Return what `claim` would bring if nothing came between, oldest first, and leave it where it is."""
        newest_first: list[Any] = self.client.lrange(self._list, -size, -1)
        return [opened(raw) for raw in reversed(newest_first)]

    def acknowledge(self, claim: Claim) -> bool:
        """Forget a committed claim. False when it was no longer in flight, which is harmless."""
        names = (keys.inflight(self.lane), keys.TAKEOVERS, keys.canary(self.lane))
        return bool(self.client.eval(ACKNOWLEDGE, 3, *names, str(claim.id)))


def first_fitting(sized: Iterable[tuple[int, int]]) -> list[int]:
    """Return of these keys, each with the bytes of its message, the first that one claim may have; at least one."""
    total, found = 0, list[int]()
    for key, size in sized:
        total += size
        if found and total > MAX_CLAIM_BYTES:
            break
        found.append(key)
    return found


def opened(raw: bytes) -> bytes:
    """Return the message in clear. One whose seal cannot be opened stays as it is and becomes a dead letter."""
    try:
        return ring().open(raw, "message")
    except SealBroken:
        return raw


# KEYS 1 queue 2 inflight 3 ctl  ->  {waiting, in flight or dealt out to lanes}
DEPTH: Final = """
local claimed = math.max(redis.call('LLEN', KEYS[2]) - 1, 0)
for lane = 1, tonumber(redis.call('HGET', KEYS[3], 'lanes')) or 1 do
  local name = string.gsub(KEYS[2], 'inflight$', 'lane:' .. lane)
  claimed = claimed + redis.call('LLEN', name) + math.max(redis.call('LLEN', name .. ':inflight') - 1, 0)
end
return {redis.call('LLEN', KEYS[1]), claimed}
"""


def depth(client: Redis) -> tuple[int, int]:
    """Return how many messages wait and how many are in flight; those dealt out to lanes count as that."""
    waiting, claimed = client.eval(DEPTH, 3, keys.QUEUE, keys.INFLIGHT, keys.CONTROL)
    return int(waiting), int(claimed)


def uuid7() -> UUID:
    """Return a time-ordered UUID (RFC 9562, section 5.7). Made by the client: a counter in Redis could go back."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds << 80) | (0x7 << 76) | ((random >> 68) << 64) | (0b10 << 62) | (random & ((1 << 62) - 1))
    return UUID(int=value)


def made_at(batch: UUID) -> datetime:
    """Return when `uuid7` made this id."""
    return datetime.fromtimestamp((batch.int >> 80) / 1000, UTC)
