"""Writing cached documents so that an older one never replaces a newer one.

A value is a plain STRING that anybody may read. Beside it a HASH, `{<value's key>}:meta`, keeps the version of the
newest document written (`v`) and who is loading one (`lease`, `until` in ms): Facebook's leases (Nishtala et al.,
NSDI 2013) with a version. Either is enough while Redis keeps its data; an eviction takes a lease with it, and then the
fill is refused.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, cast

from django_redis import get_redis_connection
from redis.exceptions import RedisError

from epicops import keys
from epicops.breaker import Breaker, CircuitOpen
from epicops.redis_client import Redis, cache_reader
from vitals.counts import Layer, Result, count
from vitals.documents import Document, Loaded
from vitals.serializer import CompactJSONSerializer

TTL: Final = 60_000  # ms
EMPTY_TTL: Final = 5_000  # ms; a document that says there is nothing
LEASE: Final = 3_000  # ms; after a loader that died, the next reader loads
META_TTL: Final = 180_000  # ms; outlives every value and load, but not for long a database restored to an earlier day

# KEYS 1 value 2 meta  ARGV 1 token 2 lease in ms 3 meta's TTL 4 a value the reader cannot use, or ""
# ->  the value if there is another, else 1: load it, 0: somebody else does
# MGET reads a key of another type as none, and the fill replaces it. Leases do not prolong a version's life: one that
# is too high, of before a restore, would refuse every fill for as long as anybody asks.
TAKE_LEASE: Final = """
local value = redis.call('MGET', KEYS[1])[1]
if value and value ~= ARGV[4] then return value end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local held = redis.call('HGET', KEYS[2], 'until')
if held and tonumber(held) > now then return 0 end
redis.call('HSET', KEYS[2], 'lease', ARGV[1], 'until', string.format('%d', now + ARGV[2]))
if redis.call('PTTL', KEYS[2]) < 0 then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
return 1
"""

# KEYS 1 value 2 meta  ARGV 1 token, "" to write without a lease 2 version 3 document 4 its TTL 5 meta's TTL
# ->  1 written, 0 refused
WRITE: Final = """
local meta = redis.call('HMGET', KEYS[2], 'lease', 'v')
if ARGV[1] ~= '' and meta[1] ~= ARGV[1] then return 0 end
if meta[2] and tonumber(meta[2]) > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
redis.call('HSET', KEYS[2], 'v', ARGV[2])
redis.call('HDEL', KEYS[2], 'lease', 'until')
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 1
"""

replicas = Breaker("cache replicas")
_serializer = CompactJSONSerializer({})


def client() -> Redis:
    """Return the cache server's client, out of django-redis' pool."""
    return cast("Redis", get_redis_connection("default"))


def decode(raw: bytes) -> Document:
    """Return the document in a cached value, sealed or plain; raise ValueError for anything else."""
    document = _serializer.loads(raw)
    if not isinstance(document, dict):
        raise ValueError  # noqa: TRY004  one error for every kind of poison
    return document


def encode(document: Document) -> bytes:
    """Return the cached form of a document."""
    return _serializer.dumps(document)


def get(beds: Iterable[str]) -> list[tuple[bytes | None, int]]:
    """Return the raw value of each bed, None where there is none, and its remaining life in ms. One round trip.

    Where the cache's URL allows it a replica is asked, which may be late; only this look may be. Leases and writes are
    the primary's, so that nothing old gets into the cache that way.
    """
    names = [keys.vitals(bed) for bed in beds]
    if (reader := cache_reader()) is not None:
        with suppress(CircuitOpen, RedisError), replicas.guard():
            return _get(reader, names)
    return _get(client(), names)


def _get(source: Redis, names: Sequence[str]) -> list[tuple[bytes | None, int]]:
    with source.pipeline(transaction=False) as pipe:
        pipe.mget(names)
        for name in names:
            pipe.pttl(name)
        values, *lives = pipe.execute()
    return list(zip(values, lives, strict=True))


def take_leases(beds: Mapping[str, bytes]) -> tuple[str, dict[str, bytes | int]]:
    """Ask to load beds, each with the cached value that will not do, or b"".

    Return a token, and by bed its value if there is a new one by now, else 1 (load it) or 0 (somebody else does).
    """
    token = secrets.token_hex(8)
    with client().pipeline(transaction=False) as pipe:
        for bed, unfit in beds.items():
            arguments = (token, LEASE, META_TTL, unfit)
            pipe.eval(TAKE_LEASE, 2, keys.vitals(bed), keys.vitals_meta(bed), *arguments)
        return token, dict(zip(beds, pipe.execute(), strict=True))


def write(documents: Iterable[Loaded], token: str = "") -> None:
    """Write documents unless newer ones are there; with a token, unless its lease has been lost too."""
    with client().pipeline(transaction=False) as pipe:
        for loaded in documents:
            ttl = TTL if loaded.document["at"] else EMPTY_TTL
            arguments = (token, loaded.version, encode(loaded.document), ttl, META_TTL)
            pipe.eval(WRITE, 2, keys.vitals(loaded.key), keys.vitals_meta(loaded.key), *arguments)
        count("vitals", Layer.REDIS, Result.REFUSED, pipe.execute().count(0))
