"""What a Redis server says of itself, without a value of anybody's in it."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from epicops import keys
from epicops.redis_client import Redis
from epicops.redis_shards import shards

DIGEST: Final = {  # field of INFO: what to call it
    "redis_version": "version",
    "role": "role",
    "uptime_in_seconds": "uptime, s",
    "connected_clients": "clients",
    "blocked_clients": "blocked clients",
    "used_memory_human": "memory",
    "maxmemory_human": "memory limit",
    "maxmemory_policy": "evicts by",
    "mem_fragmentation_ratio": "fragmentation",
    "instantaneous_ops_per_sec": "commands a second",
    "keyspace_hits": "keys found",
    "keyspace_misses": "keys not found",
    "evicted_keys": "evicted",
    "expired_keys": "expired",
    "rejected_connections": "refused connections",
    "aof_enabled": "append-only file",
    "aof_last_write_status": "its last write",
    "rdb_last_bgsave_status": "last snapshot",
    "connected_slaves": "replicas",
    "master_link_status": "link to the primary",
}
SLOW: Final = 32  # entries
WORDS: Final = 200  # of a command: a script's text comes before its keys
SAMPLE: Final = 1_000  # keys
FAMILIES: Final = {  # name: pattern; a key of ours is of the first that matches
    keys.session("…"): re.compile(rb"session:[a-z0-9]{32}"),
    keys.vitals("…"): re.compile(rb"patient:[^:]+:vitals"),
    keys.vitals_meta("…"): re.compile(rb"\{patient:[^:]+:vitals\}:meta"),
    "patient:…:location": re.compile(rb"patient:\d+:location"),
    "patient:…:nurses": re.compile(rb"patient:\d+:nurses"),
    "bed:…:patient": re.compile(rb"bed:[^:]+:patient"),
    "nurse:…:patients": re.compile(rb"nurse:\d+:patients"),
    "vitals:…": re.compile(rb"vitals:[a-z:]+"),
    "interconnect:…": re.compile(rb"\{?interconnect:[a-z{}:-]+"),
    "sessions:…": re.compile(rb"sessions:[a-z]+"),
}
OTHER: Final = "(not ours)"


class Slow(NamedTuple):
    at: datetime
    milliseconds: float
    command: str
    family: str


class Clients(NamedTuple):
    """Connections of one name and command; ages in seconds."""

    name: str
    command: str
    number: int
    oldest: int
    longest_idle: int


class Family(NamedTuple):
    """Keys of one kind, by a sample: `number` is estimated for the whole server, size and TTL are means."""

    name: str
    number: int
    size: float
    seconds_left: float | None


def family_of(key: bytes) -> str:
    """Return the kind of a key, never the key."""
    return next((name for name, pattern in FAMILIES.items() if pattern.fullmatch(key)), OTHER)


def digest(client: Redis) -> dict[str, Any]:
    """Return the lines of INFO that operators ask for, of a Cluster's primaries side by side.

    Raises RedisError, as all of these do.
    """
    infos: list[dict[str, Any]] = [server.info() for server in shards(client)]
    return {
        words: " · ".join(str(info[field]) for info in infos if field in info)
        for field, words in DIGEST.items()
        if any(field in info for info in infos)
    }


def slow_log(client: Redis) -> list[Slow]:
    """Return the slowest commands of late, with the family of their first key and nothing else of their arguments."""
    entries: Iterable[dict[str, Any]] = (entry for server in shards(client) for entry in server.slowlog_get(SLOW))
    return sorted(map(slow, entries), reverse=True)


def slow(entry: dict[str, Any]) -> Slow:
    command, *arguments = entry["command"].split(b" ")
    family = next((family for family in map(family_of, arguments[:WORDS]) if family != OTHER), "-")
    at = datetime.fromtimestamp(entry["start_time"], UTC)
    return Slow(at, entry["duration"] / 1000, command.decode("ascii", "replace"), family)


def clients(client: Redis) -> list[Clients]:
    """Return who is connected, the most numerous first."""
    found: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for connection in (each for server in shards(client) for each in server.client_list()):
        found[connection["name"] or "(no name)", connection["cmd"]].append(connection)
    groups = [
        Clients(*key, len(group), max(int(one["age"]) for one in group), max(int(one["idle"]) for one in group))
        for key, group in found.items()
    ]
    return sorted(groups, key=lambda group: -group.number)


def families(client: Redis) -> list[Family]:
    """Return the kinds of keys, the most numerous first.

    SCAN follows the hash table, whose order has nothing to do with kinds: its first keys are a fair sample.
    """
    servers = shards(client)
    share = SAMPLE // len(servers)
    names: list[bytes] = [name for server in servers for name in islice(server.scan_iter(count=share), share)]
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.memory_usage(name)
            pipe.pttl(name)
        answers = pipe.execute(raise_on_error=False)  # the access list may hide keys that are not ours
    scale = client.dbsize() / len(names) if names else 0
    kinds = list(map(family_of, names))
    sizes, lives = Counter[str](), defaultdict[str, list[float]](list)
    for kind, size, left in zip(kinds, answers[::2], answers[1::2], strict=True):
        sizes[kind] += size if isinstance(size, int) else 0
        if isinstance(left, int) and left >= 0:
            lives[kind].append(left / 1000)
    return [
        Family(kind, round(number * scale), sizes[kind] / number, mean(lives[kind]))
        for kind, number in Counter(kinds).most_common()
    ]


def mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
