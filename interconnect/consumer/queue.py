"""The inbound queue: take messages so that a crash at any point neither loses one nor applies one twice.

A claim moves messages from `interconnect:queue` to an in-flight list, stamped with an id made here. An unfinished
claim comes back first, to whoever claims next. PostgreSQL remembers committed ids, so a claim that comes back after its
commit is only acknowledged. docs/decisions has the reasons, docs/redis-keys.md the keys.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from epicops import keys
from epicops.crypto import SealBroken, ring
from epicops.redis_client import Redis
from interconnect.consumer.pauses import Rule
from interconnect.consumer.queue_scripts import ACKNOWLEDGE, CLAIM, DEPTH, LOOK
from interconnect.hl7.er7 import MAX_BYTES

# One claim's messages; a larger single message still comes alone. Full of small values they take some ten seconds on a
# busy machine: an owner that reads for longer counts as hung, and systemd's watchdog ends it.
MAX_CLAIM_BYTES: Final = 4 * 1024 * 1024

SUSPICIOUS: Final = 2  # takeovers of a claim; one is what any restart or outage causes

# A message of more bytes is too large for anybody to read, sealed or not: it is kept without coming into memory whole.
OVERSIZE: Final = MAX_BYTES + 1024
SLICE_BYTES: Final = 1024 * 1024


class Fenced(Exception):  # noqa: N818  named for the state
    """Another worker owns the queue now; whatever this one holds comes back to the owner."""


class ServerChanged(Exception):  # noqa: N818  named for the state
    """Another server process answers for the queue; it may lack what the one before had."""


class Paused(Exception):  # noqa: N818  named for the state
    """An operator has stopped the queue."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages taken together, oldest first; `takeovers` says how often they came back unfinished.

    With `slices` it is the first of so many, of a message that is too large to be read.
    """

    id: UUID
    messages: tuple[bytes, ...]
    takeovers: int = field(default=0, compare=False)
    held: tuple[Rule, ...] = field(default=(), compare=False)  # what was paused when it was claimed
    slices: int = field(default=0, compare=False)

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
            5,
            self._list,
            keys.inflight(self.lane),
            keys.CONTROL,
            keys.TAKEOVERS,
            keys.slices(self.lane),
            size,
            str(uuid7()),
            self.token,
            MAX_CLAIM_BYTES,
            self.run_id,
            self._token_field,
            OVERSIZE,
            SLICE_BYTES,
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
        takeovers, held, slices, batch, *newest_first = reply
        try:
            rules = tuple(Rule(*rule) for rule in json.loads(held or "[]"))
        except (ValueError, TypeError):  # somebody wrote into it; whoever takes the queue over says anew what is held
            raise Fenced from None
        messages = tuple(opened(raw) for raw in reversed(newest_first))
        return Claim(UUID(batch.decode()), messages, takeovers, rules, slices)

    def wait(self, seconds: float) -> None:
        """Return as soon as there is a message, or after so long. The oldest is moved to where it is: none is taken."""
        self.client.blmove(self._list, self._list, seconds, "RIGHT", "RIGHT")  # type: ignore[arg-type]  # a fraction

    def peek(self, size: int) -> list[bytes]:
        """Return what `claim` would bring if nothing came between, oldest first, and leave it where it is."""
        return look(self.client, self._list, 0, size)

    def slices(self, claim: Claim) -> Iterator[bytes]:
        """Yield the bytes of a message that is too large to be read, in `claim.slices` parts."""
        for number in range(claim.slices):
            part: Any = self.client.lindex(keys.slices(self.lane), number)
            yield part

    def acknowledge(self, claim: Claim) -> bool:
        """Forget a committed claim. False when it was no longer in flight, which is harmless."""
        names = (keys.inflight(self.lane), keys.TAKEOVERS, keys.canary(self.lane), keys.slices(self.lane))
        return bool(self.client.eval(ACKNOWLEDGE, 4, *names, str(claim.id)))


def look(client: Redis, messages: str, skip: int, count: int) -> list[bytes]:
    """Return the messages on this list behind the oldest `skip`, oldest first, as many as one claim may have."""
    found: list[Any] = client.eval(LOOK, 1, messages, skip, count, MAX_CLAIM_BYTES, OVERSIZE, SLICE_BYTES)
    return [opened(raw) for raw in found]


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
