"""Can this deployment keep the promises of epicops? One answer per setting that a promise hangs on."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db import DatabaseError, connection
from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.exceptions import NoPermissionError, RedisError

from epicops.away import away
from epicops.redis_client import Redis
from epicops.redis_shards import is_spread, shards
from epicops.redis_url import parse
from interconnect.consumer.ownership import TransactionPooling, refuse_transaction_pooling
from monitoring.certificates import RENEW, days_left
from monitoring.health import ROLES, is_migrated
from monitoring.metrics import EVICTION

MESSAGES: Final = "No message is lost"
SESSIONS: Final = "Sessions end after 30 minutes, not before"
FRESHNESS: Final = "Vitals are at most 60 s old"
ENCRYPTION: Final = "Nothing travels or rests in the clear"
AVAILABILITY: Final = "A lost Redis server is replaced"
AUDIT: Final = "Everything is on record"

PROMISES: Final = (MESSAGES, SESSIONS, FRESHNESS, ENCRYPTION, AVAILABILITY, AUDIT)

PROMISE: Final = {"queue": MESSAGES, "sessions": SESSIONS, "cache": FRESHNESS}
PERSISTENCE: Final = {  # per role: what CONFIG GET must say, and why
    "queue": {
        "appendonly": ("yes", "without it a restart loses what waits"),
        "appendfsync": ("always", "everysec loses acknowledged messages when the disk is slow"),
        "no-appendfsync-on-rewrite": ("no", "yes stops syncing during a rewrite, whatever appendfsync says"),
    },
    "sessions": {"appendonly": ("yes", "without it a restart signs everybody out")},
    "cache": {},
}
POSTGRESQL: Final = {
    "fsync": "off loses committed messages in a power cut",
    "full_page_writes": "off corrupts pages in a power cut",
    "synchronous_commit": "off acknowledges what a crash takes back",
}
MINIMUM: Final = {"PostgreSQL": 14, "Redis": 7}


class Finding(NamedTuple):
    """One condition of a promise: whether it holds, and what is to be done or why it matters."""

    promise: str
    condition: str
    is_kept: bool
    why: str


def preflight() -> list[Finding]:
    """Ask every server; one that does not answer is a finding too."""
    return [*of_postgresql(), *(finding for role in ROLES for finding in of_role(role)), *of_settings()]


def of_postgresql() -> Iterator[Finding]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version_num')::int / 10000")
            (version,) = cursor.fetchone()
            yield Finding(MESSAGES, f"PostgreSQL {version}", version >= MINIMUM["PostgreSQL"], "needs 14 or later")
            for name, why in POSTGRESQL.items():
                cursor.execute("SELECT current_setting(%s)", [name])
                (value,) = cursor.fetchone()
                yield Finding(MESSAGES, f"PostgreSQL {name} is {value}", value not in {"off", "local"}, why)
        yield of_pooling()
        yield Finding(MESSAGES, "all migrations are applied", is_ready := is_migrated(), "run manage.py migrate")
        if is_ready:
            yield of_partitions()
    except DatabaseError as error:
        yield Finding(MESSAGES, "PostgreSQL answers", is_kept=False, why=away(error))


def of_partitions() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM audit_events_other)")
        (strays,) = cursor.fetchone()
    return Finding(AUDIT, "every audit row has its month's partition", not strays, "run run_monitor all the time")


def of_pooling() -> Finding:
    condition = "each connection to PostgreSQL has a session of its own"
    try:
        refuse_transaction_pooling()
    except TransactionPooling as error:
        return Finding(MESSAGES, condition, is_kept=False, why=str(error))
    return Finding(MESSAGES, condition, is_kept=True, why="")


def of_role(role: str) -> Iterator[Finding]:
    """Look at the role's server, of a Cluster at every primary."""
    client = ROLES[role]()
    try:
        servers = shards(client)
        for place, server in enumerate(servers, 1):
            yield from of_server(role, server, f"Redis {role}" + (f" shard {place}" if is_spread(client) else ""))
        if is_spread(client):
            served = client.execute_command("CLUSTER INFO")["cluster_slots_ok"]  # type: ignore[no-untyped-call]
            condition = f"Redis {role} serves {served} slots of {REDIS_CLUSTER_HASH_SLOTS}"
            is_whole = served == str(REDIS_CLUSTER_HASH_SLOTS)
            yield Finding(AVAILABILITY, condition, is_whole, "a shard is away: docs/runbooks/redis-cluster.md")
    except (RedisError, OSError) as error:
        yield Finding(PROMISE[role], f"Redis {role} answers", is_kept=False, why=away(error))


def of_server(role: str, client: Redis, name: str) -> Iterator[Finding]:
    promise = PROMISE[role]
    info: dict[str, Any] = client.info()
    version = str(info["redis_version"])
    policy = str(info["maxmemory_policy"])
    is_recent = int(version.split(".", maxsplit=1)[0]) >= MINIMUM["Redis"]
    yield Finding(promise, f"{name} is of version {version}", is_recent, "needs 7.0 or later")
    yield Finding(promise, f"{name} evicts by {policy}", policy == EVICTION[role], f"this role needs {EVICTION[role]}")
    yield from of_persistence(role, client, name)
    if role == "cache":
        limit = int(info["maxmemory"]) // 2**20
        why = "without maxmemory nothing is evicted until the host runs out; 2gb is enough for any hospital"
        yield Finding(promise, f"{name} may take {limit} MB", limit > 0, why)
    else:
        replicas = int(info["connected_slaves"])
        condition = f"{name} has {replicas} replicas"
        yield Finding(AVAILABILITY, condition, replicas > 0, "one server alone is a single point of failure")


def of_persistence(role: str, client: Redis, name: str) -> Iterator[Finding]:
    if not PERSISTENCE[role]:
        return
    try:
        found = client.config_get(*PERSISTENCE[role])
    except NoPermissionError:  # of the users we render only admin may: a server's passwords are among its settings
        condition = f"{name} shows its settings to this user"
        yield Finding(PROMISE[role], condition, is_kept=False, why="run manage.py preflight as the Redis user admin")
        return
    for setting, (wanted, why) in PERSISTENCE[role].items():
        yield Finding(PROMISE[role], f"{name} {setting} is {found[setting]}", found[setting] == wanted, why)
    with suppress(NoPermissionError):  # only the user admin sees the others
        default: Any = client.acl_getuser("default")
        is_kept = "+@all" in default["categories"]
        condition = f"{name} has the rights to read its append-only file"
        yield Finding(
            PROMISE[role], condition, is_kept, "as `default`, without all rights, 7.0 leaves out what scripts wrote"
        )


def of_settings() -> Iterator[Finding]:
    is_safe = is_verified(settings.DATABASES["default"])
    yield Finding(
        ENCRYPTION, "PostgreSQL is reached by verified TLS or on this host", is_safe, "use sslmode=verify-full"
    )
    for role in ROLES:
        url: str = getattr(settings, f"EPICOPS_REDIS_{role.upper()}_URL")
        yield Finding(ENCRYPTION, f"Redis {role} is reached by TLS or on this host", is_private(url), "use rediss://")
    is_encrypted = bool(settings.EPICOPS_SEALING_KEYS) or settings.EPICOPS_ENCRYPTED_VOLUME
    why = "set EPICOPS_SEALING_KEYS, or EPICOPS_ENCRYPTED_VOLUME=1 where Redis' volumes are encrypted"
    yield Finding(ENCRYPTION, "what Redis writes to disk is encrypted", is_encrypted, why)
    yield Finding(ENCRYPTION, "EPICOPS_DEBUG is off", not settings.DEBUG, "its error pages show patients' data")
    is_https = not settings.EPICOPS_PLAIN_HTTP
    yield Finding(ENCRYPTION, "EPICOPS_PLAIN_HTTP is off", is_https, "pages and logins travel in the clear")
    for certificate, days in days_left():
        condition = f"the certificate of {certificate} is valid for {days:.0f} days"
        yield Finding(AVAILABILITY, condition, days > RENEW, "renew it: docs/runbooks/certificate-rotation.md")
    has_key = bool(settings.EPICOPS_AUDIT_KEY)
    yield Finding(AUDIT, "EPICOPS_AUDIT_KEY is set", has_key, "a new signing key would end verification")


def is_private(url: str) -> bool:
    address = parse(url)
    return address.is_tls or address.is_local


def is_verified(database: Mapping[str, Any]) -> bool:
    """Whether nobody can listen or stand in between; hosts are separated by commas, and one with a / is a socket."""
    hosts = database["HOST"].split(",")
    return database["OPTIONS"].get("sslmode") == "verify-full" or all(not host or "/" in host for host in hosts)
