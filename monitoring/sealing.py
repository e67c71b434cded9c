"""Where values lie sealed for longer than a minute: counted by the key they are under, and sealed anew.

Both may run beside everything else and be stopped at any time. A value is replaced only where it still is as it was
read, and one under the primary key is left alone: a second run does what a first one left.
"""

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from django.db.models import Model
from django_redis import get_redis_connection

from epicops import keys
from epicops.bulk import chunks
from epicops.crypto import SealBroken, key_id, key_id_of_text, open_text, ring, seal_text
from epicops.redis_client import queue_client, sessions_client
from interconnect.models import InboxMessage
from interconnect.wire.refused import FAMILY as REFUSED
from interconnect.wire.refused import RefusedFrame
from sessions_app.backend import FAMILY as SESSION
from sessions_app.live import LIVE, ids

PAGE: Final = 500  # values per round trip
PASSES: Final = 20  # over a list whose end was taken away meanwhile

# KEYS 1 list  ARGV {places after the first one's, value as read, new value}, ...  ->  how many were still there
# What was pushed meanwhile has moved them all alike.
REPLACE: Final = """
local first = redis.call('LPOS', KEYS[1], ARGV[2])
if not first then return 0 end
local replaced = 0
for i = 1, #ARGV, 3 do
  if redis.call('LINDEX', KEYS[1], first + ARGV[i]) == ARGV[i + 1] then
    redis.call('LSET', KEYS[1], first + ARGV[i], ARGV[i + 2])
    replaced = replaced + 1
  end
end
return replaced
"""
# KEYS 1 session  ARGV 1 data as read 2 new data
REPLACE_DATA: Final = """
if redis.call('HGET', KEYS[1], 'data') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'data', ARGV[2])
return 1
"""


class Found(NamedTuple):
    """A value and where it is, as its place knows that."""

    where: Any
    value: Any


class Place(ABC):
    """Somewhere that sealed values lie."""

    name: str

    @abstractmethod
    def values(self) -> Iterator[Found]:
        """Yield every value; those that come or go meanwhile may be missed or seen twice."""

    @abstractmethod
    def key_id(self, value: Any) -> str:
        """Return the id of the key the value is under, "plain" for none."""

    @abstractmethod
    def sealed(self, value: Any) -> Any:
        """Return the value under the primary key; raise SealBroken when it cannot be opened."""

    @abstractmethod
    def replace(self, page: Sequence[tuple[Found, Any]]) -> int:
        """Put the second of each pair in the place of the first unless that has changed; return how many that were."""


@dataclass(frozen=True, slots=True)
class Column(Place):
    """A column of PostgreSQL with bytes."""

    name: str
    model: type[Model]
    field: str
    family: str

    def values(self) -> Iterator[Found]:
        rows = self.model._default_manager.order_by("pk").values_list("pk", self.field)  # noqa: SLF001  any model's
        return (Found(pk, bytes(value)) for pk, value in rows.iterator(PAGE))

    def key_id(self, value: bytes) -> str:
        return key_id(value)

    def sealed(self, value: bytes) -> bytes:
        return ring().seal(ring().open(value, self.family), self.family)

    def replace(self, page: Sequence[tuple[Found, Any]]) -> int:
        rows = self.model._default_manager  # noqa: SLF001
        return sum(
            rows.filter(pk=found.where, **{self.field: found.value}).update(**{self.field: new}) for found, new in page
        )


@dataclass(frozen=True, slots=True)
class Messages(Place):
    """A LIST of messages."""

    name: str
    key: str

    def values(self) -> Iterator[Found]:
        start = 0
        while page := queue_client().lrange(self.key, start, start + PAGE - 1):
            yield from (Found(start + place, value) for place, value in enumerate(page))
            start += PAGE

    def key_id(self, value: bytes) -> str:
        return key_id(value)

    def sealed(self, value: bytes) -> bytes:
        return ring().seal(ring().open(value, "message"), "message")

    def replace(self, page: Sequence[tuple[Found, Any]]) -> int:
        first = page[0][0].where
        arguments = [part for found, new in page for part in (found.where - first, found.value, new)]
        return int(queue_client().eval(REPLACE, 1, self.key, *arguments))


class DeadLetters(Messages):
    """`interconnect:dlq`, whose entries hold a message among other things."""

    def key_id(self, value: bytes) -> str:
        try:
            return key_id(base64.b64decode(json.loads(value)["raw_sealed"]))
        except (ValueError, KeyError, TypeError):  # others write here too
            return key_id(value)

    def sealed(self, value: bytes) -> bytes:
        entry = json.loads(value)
        raw = base64.b64decode(entry.pop("raw_sealed", "") or entry.pop("raw_base64", ""))
        raw = super().sealed(raw or entry.pop("raw").encode())
        return json.dumps(entry | {"raw_sealed": base64.b64encode(raw).decode()}, ensure_ascii=False).encode()


class Sessions(Place):
    """Live sessions: the same text in the registry and in the hash."""

    name = "sessions"

    def values(self) -> Iterator[Found]:
        return (Found(record, record.data) for record in LIVE.order_by("pk").iterator(PAGE))

    def key_id(self, value: str) -> str:
        return key_id_of_text(value)

    def sealed(self, value: str) -> str:
        return seal_text(open_text(value, SESSION), SESSION)

    def replace(self, page: Sequence[tuple[Found, Any]]) -> int:
        records = [found.where for found, _ in page]
        pipeline = sessions_client().pipeline(transaction=False)
        replaced = 0
        for (found, new), session_id in zip(page, ids(records), strict=True):
            replaced += LIVE.filter(pk=found.where.pk, data=found.value).update(data=new)
            pipeline.eval(REPLACE_DATA, 1, keys.session(session_id), found.value, new)
        pipeline.execute()
        return replaced


PLACES: Final[Sequence[Place]] = (
    Column("inbox", InboxMessage, "raw", "message"),
    Column("refused", RefusedFrame, "head", REFUSED),
    Messages("queue", keys.QUEUE),
    DeadLetters("dlq", keys.DLQ),
    Sessions(),
)


def rekey(place: Place) -> Generator[tuple[int, int], None, None]:
    """Put every value under the primary key; after each page yield how many are, and how many could not be so far.

    Raises RedisError and DatabaseError; what was done until then stays done.
    """
    done = 0
    for _ in range(PASSES):
        broken = missed = 0
        for page in chunks(stale(place), PAGE):
            pairs = [(found, new) for found in page if (new := sealed_anew(place, found)) is not None]
            replaced = place.replace(pairs) if pairs else 0
            done, broken, missed = done + replaced, broken + len(page) - len(pairs), missed + len(pairs) - replaced
            yield done, broken + missed
        if not missed:
            return


def sealed_anew(place: Place, found: Found) -> Any:
    """Return the value under the primary key, None when it cannot be opened or read."""
    try:
        return place.sealed(found.value)
    except (SealBroken, ValueError, KeyError, TypeError, AttributeError):  # all but the first: entries of others
        return None


def stale(place: Place) -> Iterator[Found]:
    """Yield what is not under the primary key."""
    return (found for found in place.values() if place.key_id(found.value) != ring().primary)


def vitals() -> Iterable[str]:
    """Return the key ids of cached vitals; they leave by themselves within a minute."""
    client = get_redis_connection("default")
    values = (client.get(key) for key in client.scan_iter(keys.vitals("*"), count=PAGE))
    return (key_id(value) for value in values if value is not None)
