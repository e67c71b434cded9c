"""What the caches did, by key family, layer and result: counted in each process, added up in Redis for monitoring.

Every bed of an MGET counts as one request, so a ward board shows in the hit ratio.
"""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from django_redis import get_redis_connection
from redis.exceptions import RedisError

from epicops import keys
from epicops.redis_client import Redis

PUBLISH_SECONDS: Final = 5.0


class Layer(StrEnum):
    LOCAL = "local"
    REDIS = "redis"
    DATABASE = "database"


class Result(StrEnum):
    HIT = "hit"
    NEGATIVE = "negative"  # a hit that says there is nothing
    MISS = "miss"
    WAITED = "waited"  # another reader was loading it, and its fill was used
    POISON = "poison"  # a value that is no document
    FOREIGN = "foreign"  # a document of another visit than the bed's
    ERROR = "error"  # Redis did not answer
    REFUSED = "refused"  # a fill or write that came too late


class Subject(NamedTuple):
    family: str
    layer: Layer
    result: Result


_counts: Counter[Subject] = Counter()
counts: Mapping[Subject, int] = MappingProxyType(_counts)
_published: Counter[Subject] = Counter()


def count(family: str, layer: Layer, result: Result, number: int = 1) -> None:
    """Add to a counter. Two threads may rarely lose one of two simultaneous counts: a metric, not a ledger."""
    if number:
        _counts[Subject(family, layer, result)] += number


def publish(client: Redis) -> None:
    """Add what this process has counted since the last time to the totals; raises RedisError."""
    pending = Counter(dict(_counts)) - _published
    if not pending:
        return
    with client.pipeline(transaction=True) as pipe:
        for subject, number in pending.items():
            pipe.hincrby(keys.CACHE_COUNTS, ":".join(subject), number)
        pipe.execute()
    _published.update(pending)


def totals(client: Redis) -> dict[Subject, int]:
    """Return what all processes have counted since the cache server started; raises RedisError.

    What is no count of ours, but another release's perhaps, is left out.
    """
    found: dict[Any, Any] = client.hgetall(keys.CACHE_COUNTS)
    known: dict[Subject, int] = {}
    for name, number in found.items():
        with suppress(ValueError):
            known[subject_of(name.decode())] = int(number)
    return known


def subject_of(name: str) -> Subject:
    """Read a field of the totals; raises ValueError for one that is not ours."""
    family, layer, result = name.split(":")
    return Subject(family, Layer(layer), Result(result))


def publish_always() -> None:
    """Publish every few seconds from a thread of this process; what an outage delays is added after it."""

    def run() -> None:
        while True:
            time.sleep(PUBLISH_SECONDS)
            with suppress(RedisError, OSError):
                publish(get_redis_connection("default"))

    threading.Thread(target=run, name="cache-counts", daemon=True).start()
