"""The only place that builds Redis clients: every one states its timeouts and its retries.

redis-py's defaults range from none to ten retries depending on how a client was made, and `socket_timeout`
counts per read, not per command. A timed-out write may have been applied: writes are never retried here.
`epicops/redis_url.py` says which servers a URL stands for; everything above here is the same for all of them. Whatever
says that a server is away is a RedisError here, a Cluster's exceptions included, and most of it a lost connection.
"""

import functools
from collections.abc import Callable
from typing import Any, cast

import redis.sentinel
from django.conf import settings
from django_redis.pool import ConnectionFactory
from redis import Redis
from redis._parsers.base import BaseParser
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from epicops import keys, redis_tls
from epicops.redis_cluster import Cluster, ClusterAway
from epicops.redis_pool import Pool, SentinelPool
from epicops.redis_url import Address, Topology, parse

__all__ = [
    "CacheConnectionFactory",
    "Redis",
    "cache_can_be_followed",
    "cache_reader",
    "cache_tracking_connection",
    "connect",
    "node",
    "queue_client",
    "queue_door_client",
    "queue_web_client",
    "sentinels",
    "sessions_client",
    "sessions_command_client",
    "sessions_store_client",
]

WEB_TIMEOUT = 0.1  # seconds for one read while a person waits
DOOR_TIMEOUT = 1.0  # seconds; fsync of one group of messages
TRACKING_TIMEOUT = 1.0  # seconds until a silent server's local copies are given up
SESSIONS_TIMEOUT = 0.25  # seconds; a false alarm costs every process a second of PostgreSQL
# Seconds for one read of a worker, which may claim 10 MiB; twice that fits into a failover with a frozen primary.
WORKER_TIMEOUT = 2.0
SENTINEL_TIMEOUT = 0.3  # seconds; the next Sentinel is asked when one is frozen

LEAN: dict[str, Any] = {  # one round trip to connect instead of six
    "driver_info": None,
    "maint_notifications_config": MaintNotificationsConfig(enabled=False),
}


class NotReplicated(RedisConnectionError):  # noqa: N818  named for the state
    """The primary has no replica that keeps up. A connection error, because the caller's fallback is the same."""


# ResponseErrors otherwise, as mistakes of ours are.
BaseParser.EXCEPTION_CLASSES |= {"NOREPLICAS": NotReplicated, "CLUSTERDOWN": ClusterAway, "MASTERDOWN": ClusterAway}


def _options(timeout: float, *, retries: int) -> dict[str, Any]:
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, 1.0),
        "retry": Retry(NoBackoff(), retries, supported_errors=(RedisConnectionError,)),
        **LEAN,
    }


def _client(address: Address, options: dict[str, Any], *, home: str, replicas: bool = False) -> Redis:
    if address.topology is not Topology.CLUSTER:
        return Redis(connection_pool=_pool(address, options, replicas=replicas))
    options = options | address.options | {"connection_class": _connection_class(address)}
    retry: Retry = options.pop("retry")
    return Cluster(address.nodes, options, retries=retry.get_retries(), home=home, replicas=replicas)


def _pool(address: Address, options: dict[str, Any], *, replicas: bool = False) -> redis.ConnectionPool:
    """Return connections to a server, or to that which Sentinels name at the time of each connect.

    With `replicas` Sentinels name one of those, and the primary where there is none.
    """
    options = options | address.options
    if address.topology is Topology.SENTINEL:
        managed = redis_tls.SentinelTLSConnection if address.is_tls else redis_tls.SentinelConnection
        manager = _sentinels(address)
        return SentinelPool(  # type: ignore[no-untyped-call]  # the library leaves it out
            address.service, manager, connection_class=managed, is_master=not replicas, **options
        )
    connection = redis.UnixDomainSocketConnection if address.is_local else _connection_class(address)
    return Pool(connection_class=connection, **options)


def _connection_class(address: Address) -> type[AbstractConnection]:
    return redis_tls.TLSConnection if address.is_tls else redis.Connection


def _sentinels(address: Address) -> redis.sentinel.Sentinel:
    """Return what finds the primary. Without retries: a frozen Sentinel with redis-py's ten costs 10 s a look-up."""
    options = _options(SENTINEL_TIMEOUT, retries=0) | address.sentinel_options
    connection = _connection_class(address)
    manager = redis.sentinel.Sentinel([])  # type: ignore[no-untyped-call]  # the library leaves it out
    manager.sentinels = [
        Redis(connection_pool=redis.ConnectionPool(connection_class=connection, host=host, port=port, **options))
        for host, port in address.nodes
    ]
    return manager


def connect(
    url: str, *, timeout: float = WORKER_TIMEOUT, retries: int = 0, home: str = keys.QUEUE, **options: Any
) -> Redis:
    """Return a client of the servers `url` stands for; `timeout` in seconds for each read, retries of lost connections.

    Of a Cluster the shard of the key `home` answers commands without a key. Further options are redis-py's of a
    connection. Nothing is connected yet. Raises ValueError for a URL that stands for none.
    """
    return _client(parse(url), _options(timeout, retries=retries) | options, home=home)


def sentinels(url: str) -> redis.sentinel.Sentinel:
    """Return the Sentinels of a Sentinel URL."""
    return _sentinels(parse(url))


def node(url: str, host: str, port: int) -> Redis:
    """Return a client of one server among those of `url`, whatever its role now, with the URL's login."""
    address = parse(url)
    options = _options(WORKER_TIMEOUT, retries=0) | address.options | {"host": host, "port": port}
    return Redis(connection_pool=redis.ConnectionPool(connection_class=_connection_class(address), **options))


def cache_can_be_followed() -> bool:
    """Whether one connection to the cache hears of every change before it can be read: not with several servers."""
    address = parse(settings.EPICOPS_REDIS_CACHE_URL)
    return address.topology is not Topology.CLUSTER and not address.reads_replicas


def cache_tracking_connection() -> AbstractConnection:
    """Open a connection to the cache server for one thread to hear of changes on (RESP3); that thread closes it.

    Raise RedisError or OSError when there is no server.
    """
    client = connect(settings.EPICOPS_REDIS_CACHE_URL, timeout=TRACKING_TIMEOUT, protocol=3)
    return cast("AbstractConnection", client.connection_pool.get_connection())


class CacheConnectionFactory(ConnectionFactory):  # type: ignore[misc]  # django-redis' generics are not seen
    """Gives django-redis our clients, whatever the topology."""

    def connect(self, url: str) -> Redis:
        return _cache_client(url)

    def disconnect(self, connection: Redis) -> None:
        connection.close()


@functools.cache
def _cache_client(url: str, *, replicas: bool = False) -> Redis:
    # Reads and idempotent writes: one retry when a pooled connection was cut.
    return _client(parse(url), _options(WEB_TIMEOUT, retries=1), home=keys.CACHE_COUNTS, replicas=replicas)


def cache_reader() -> Redis | None:
    """Return a client for reads of the cache that may be late, by replicas; None where the URL does not ask for it."""
    url = settings.EPICOPS_REDIS_CACHE_URL
    return _cache_client(url, replicas=True) if parse(url).reads_replicas else None


@functools.cache
def sessions_client() -> Redis:
    """Client of the sessions role, for web requests."""
    home = keys.SESSIONS_GENERATION
    return connect(settings.EPICOPS_REDIS_SESSIONS_URL, timeout=WEB_TIMEOUT, retries=1, home=home)


@functools.cache
def sessions_command_client() -> Redis:
    """Client of the sessions role for commands that look at many sessions at once; nobody waits for them."""
    return connect(settings.EPICOPS_REDIS_SESSIONS_URL, retries=1, home=keys.SESSIONS_GENERATION)


@functools.cache
def sessions_store_client(on_connect: Callable[[Any], None]) -> Redis:
    """Client of the sessions role for the session engine, which greets each new connection and repeats calls itself."""
    home = keys.SESSIONS_GENERATION
    url = settings.EPICOPS_REDIS_SESSIONS_URL
    return connect(url, timeout=SESSIONS_TIMEOUT, home=home, redis_connect_func=on_connect)


@functools.cache
def queue_client() -> Redis:
    """Client of the queue role, for workers and commands. Never retries: a push might count twice."""
    return connect(settings.EPICOPS_REDIS_QUEUE_URL)


@functools.cache
def queue_web_client() -> Redis:
    """Client of the queue role for pages, which only read: a person waits."""
    return connect(settings.EPICOPS_REDIS_QUEUE_URL, timeout=WEB_TIMEOUT, retries=1)


@functools.cache
def queue_door_client() -> Redis:
    """Client of the queue role for what a sender waits for; beyond this timeout PostgreSQL's inbox takes over."""
    return connect(settings.EPICOPS_REDIS_QUEUE_URL, timeout=DOOR_TIMEOUT)
