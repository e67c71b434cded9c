"""What the caches did in this process, by key family, layer and result; monitoring reads it.

Every bed of an MGET counts as one request, so a ward board shows in the hit ratio.
"""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


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


def count(family: str, layer: Layer, result: Result, number: int = 1) -> None:
    """Add to a counter. Two threads may rarely lose one of two simultaneous counts: a metric, not a ledger."""
    if number:
        _counts[Subject(family, layer, result)] += number
