"""Looking at one key of the cache or the queue, and mending a cached value: only keys of ours, never a session.

A session's id is its holder's credential: sessions are shown by their handles, in their own list.
"""

import re
from typing import Any, Final, NamedTuple

from epicops.crypto import is_sealed
from epicops.redis_client import Redis
from vitals import documents, fence

CACHE: Final = re.compile(
    r"patient:[\w.-]+:vitals|\{patient:[\w.-]+:vitals\}:meta|patient:\d+:(location|nurses)|bed:[\w.-]+:patient"
    r"|nurse:\d+:patients|vitals:[a-z:]+"
)
QUEUE: Final = re.compile(r"\{?interconnect:[a-z{}:-]+")
ALLOWED: Final = {"cache": CACHE, "queue": QUEUE}
EDITABLE: Final = re.compile(r"patient:[\w.-]+:vitals")
SHOWN: Final = 20  # elements of a list, whose sizes are shown
GONE: Final = -2  # PTTL's answer for no key

# KEYS 1 key  ->  its value and SHA-1, as of one moment
READ: Final = "local v = redis.call('GET', KEYS[1]) return {v, redis.sha1hex(v or '')}"
# KEYS 1 list  ARGV 1 how many  ->  its length, and the sizes of its first elements, which may be of 10 MiB each
LENGTHS: Final = """
local sizes = {}
for place, element in ipairs(redis.call('LRANGE', KEYS[1], 0, ARGV[1] - 1)) do sizes[place] = #element end
return {redis.call('LLEN', KEYS[1]), sizes}"""
# KEYS 1 key  ARGV 1 SHA-1 of the value that was seen, 2 new value  ->  1, or 0 when it has changed since
REPLACE: Final = """
local v = redis.call('GET', KEYS[1])
if not v or redis.sha1hex(v) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1"""


class Key(NamedTuple):
    """A key as it is now: `size` and `milliseconds_left` as the server says, None for no TTL.

    `value` is for people: a STRING, a HASH's fields, a SET's members; of a LIST the sizes of its elements, which are
    messages and have pages of their own. `sha1` belongs to a STRING that may be replaced.
    """

    name: str
    kind: str
    size: int
    milliseconds_left: int | None
    value: str
    sha1: str
    is_editable: bool


def is_allowed(role: str, name: str) -> bool:
    """Whether a key of this name may be looked at."""
    return role in ALLOWED and ALLOWED[role].fullmatch(name) is not None


def read(client: Redis, name: str) -> Key | None:
    """Return a key, None when there is none; raises RedisError."""
    kind = str(client.type(name).decode())  # type: ignore[union-attr]  # bytes: our clients do not decode
    if kind == "none":
        return None
    value, sha1 = value_of(client, name, kind)
    if (left := int(client.pttl(name))) == GONE:  # since its kind was asked for
        return None
    size = int(client.memory_usage(name) or 0)
    is_editable = EDITABLE.fullmatch(name) is not None and bool(sha1)
    return Key(name, kind, size, left if left >= 0 else None, value, sha1, is_editable)


def value_of(client: Redis, name: str, kind: str) -> tuple[str, str]:
    """Return what is shown of a value, and the SHA-1 by which it may be replaced."""
    if kind == "string":
        raw, sha1 = client.eval(READ, 1, name)
        return ("sealed", "") if is_sealed(raw or b"") else (text(raw or b""), sha1.decode())
    if kind == "hash":
        fields: dict[Any, Any] = client.hgetall(name)
        return "\n".join(sorted(f"{text(field)}: {text(value)}" for field, value in fields.items())), ""
    if kind == "set":
        members: set[Any] = client.smembers(name)
        return "\n".join(sorted(map(text, members))), ""
    number, lengths = client.eval(LENGTHS, 1, name, SHOWN)
    return f"{number} elements; bytes of the first: {', '.join(map(str, lengths))}", ""


def text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def replace(client: Redis, name: str, sha1: str, value: str) -> bool:
    """Put a vitals document in the place of the one that was seen, sealed where there is a key ring.

    False when that has changed. Raises ValueError for what is no vitals document, RedisError for a server that is away.
    """
    try:
        document = fence.decode(value.encode())
        documents.read(document, documents.Source.CACHE)
    except documents.MALFORMED as error:
        raise ValueError("This is no vitals document") from error
    return bool(client.eval(REPLACE, 1, name, sha1, fence.encode(document)))
