"""Many sessions' hashes in one round trip, as whoever compares or sweeps them sees them. Nothing is changed."""

from collections.abc import Sequence
from typing import NamedTuple

from redis.exceptions import ResponseError

from epicops import keys
from epicops.redis_client import Redis


class Look(NamedTuple):
    """One hash: the fields that were asked for, its TTL (ms; -1 none, -2 no such key), and Redis' time then (ms)."""

    values: list[bytes | None]
    ttl: int
    clock: int


def number(value: bytes | None) -> int | None:
    """Return a count or a time (ms) as we write them; None for what is missing or none."""
    return int(value) if value and value.isdigit() else None


def look(redis: Redis, session_ids: Sequence[str], fields: Sequence[str]) -> list[Look]:
    """Look at the hashes of these sessions; a key of another type has no fields. Raises RedisError or OSError."""
    pipeline = redis.pipeline(transaction=False)
    for session_id in session_ids:
        pipeline.hmget(keys.session(session_id), fields)
        pipeline.pttl(keys.session(session_id))
    seconds, microseconds = redis.time()
    replies = pipeline.execute(raise_on_error=False)
    clock = seconds * 1000 + microseconds // 1000
    found = []
    for values, ttl in zip(replies[::2], replies[1::2], strict=True):
        is_foreign = isinstance(values, ResponseError) and str(values).startswith("WRONGTYPE")
        for reply in (ttl,) if is_foreign else (values, ttl):
            if isinstance(reply, Exception):
                raise reply
        found.append(Look([None] * len(fields) if is_foreign else values, ttl, clock))
    return found
