"""The only place that builds Redis clients: every one states its timeouts and its retries.

redis-py's defaults range from none to ten retries depending on how a client was made, and `socket_timeout`
counts per read, not per command. A timed-out write may have been applied: writes are never retried here.
`epicops/redis_url.py` says which servers a URL stands for; everything above here is the same for all of them.
"""

import functools
from dataclasses import dataclass
from typing import Any, Final, cast

import redis.asyncio.sentinel
import redis.sentinel
from django.conf import settings
from django_redis.pool import ConnectionFactory
from redis import Redis
from redis._parsers.base import BaseParser
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from epicops import redis_tls
from epicops.redis_url import Address, Topology, parse

__all__ = [
    "AsyncRedis",
    "CacheConnectionFactory",
    "Redis",
    "async_queue_client",
    "cache_pool_options",
    "connect",
    "node",
    "queue_client",
    "queue_web_client",
    "sentinels",
    "sessions_client",
]

AsyncRedis = redis.asyncio.Redis

WEB_TIMEOUT = 0.1  # seconds for one read while a person waits
# Seconds for one read of a worker, which may claim 32 MiB; twice that fits into a failover with a frozen primary.
WORKER_TIMEOUT = 2.0
SENTINEL_TIMEOUT = 0.3  # seconds; the next Sentinel is asked when one is frozen
REPLICATION_MS = 500  # how long a push waits for a replica

LEAN: dict[str, Any] = {  # one round trip to connect instead of six
    "driver_info": None,
    "maint_notifications_config": MaintNotificationsConfig(enabled=False),
}


@dataclass(frozen=True, slots=True)
class Library:
    """redis-py exists twice, blocking and for asyncio, with the same names."""

    client: Any
    pool: Any
    connection: Any
    unix_connection: Any
    tls_connection: Any
    retry: Any
    sentinel: Any
    sentinel_pool: Any
    sentinel_connection: Any
    sentinel_tls_connection: Any


BLOCKING: Final = Library(
    client=Redis,
    pool=redis.ConnectionPool,
    connection=redis.Connection,
    unix_connection=redis.UnixDomainSocketConnection,
    tls_connection=redis_tls.TLSConnection,
    retry=Retry,
    sentinel=redis.sentinel.Sentinel,
    sentinel_pool=redis.sentinel.SentinelConnectionPool,
    sentinel_connection=redis.sentinel.SentinelManagedConnection,
    sentinel_tls_connection=redis_tls.SentinelTLSConnection,
)
ASYNC: Final = Library(
    client=AsyncRedis,
    pool=redis.asyncio.ConnectionPool,
    connection=redis.asyncio.Connection,
    unix_connection=redis.asyncio.UnixDomainSocketConnection,
    tls_connection=redis_tls.AsyncTLSConnection,
    retry=redis.asyncio.retry.Retry,
    sentinel=redis.asyncio.sentinel.Sentinel,
    sentinel_pool=redis.asyncio.sentinel.SentinelConnectionPool,
    sentinel_connection=redis.asyncio.sentinel.SentinelManagedConnection,
    sentinel_tls_connection=redis_tls.AsyncSentinelTLSConnection,
)


class NotReplicated(RedisConnectionError):  # noqa: N818  named for the state
    """The primary has no replica that keeps up. A connection error, because the caller's fallback is the same."""


BaseParser.EXCEPTION_CLASSES["NOREPLICAS"] = NotReplicated  # a plain ResponseError otherwise, as a mistake of ours is


class ReplicatedRedis(AsyncRedis):
    """Confirms a push once a replica has it too: an isolated primary acknowledges what its successor never saw."""

    async def lpush(self, name: str, *values: bytes) -> int:  # type: ignore[override]  # the library's is not async def
        """Push; raise NotReplicated when no replica confirms within REPLICATION_MS."""
        async with self.pipeline(transaction=False) as pipe:
            pipe.lpush(name, *values)
            pipe.wait(1, REPLICATION_MS)
            length, replicas = await pipe.execute()
        if not replicas:
            raise NotReplicated
        return int(length)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001  the library's signature
        """Close the connections to the Sentinels too, which the library leaves open."""
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.connection_pool.disconnect()


def _options(timeout: float, *, retries: int, library: Library = BLOCKING) -> dict[str, Any]:
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, 1.0),
        "retry": library.retry(NoBackoff(), retries, supported_errors=(RedisConnectionError,)),
        **LEAN,
    }


def _pool(library: Library, url: str, options: dict[str, Any]) -> Any:
    """Return connections to a server, or to the primary that Sentinels name at the time of each connect."""
    address = parse(url)
    options = options | address.options
    if address.topology is Topology.SENTINEL:
        connection = library.sentinel_tls_connection if address.is_tls else library.sentinel_connection
        manager = _sentinels(library, address)
        return library.sentinel_pool(address.service, manager, connection_class=connection, **options)
    connection = library.tls_connection if address.is_tls else library.connection
    return library.pool(connection_class=library.unix_connection if address.is_local else connection, **options)


def _sentinels(library: Library, address: Address) -> Any:
    """Return what finds the primary. Without retries: a frozen Sentinel with redis-py's ten costs 10 s a look-up."""
    options = _options(SENTINEL_TIMEOUT, retries=0, library=library) | address.sentinel_options
    connection = library.tls_connection if address.is_tls else library.connection
    manager = library.sentinel([])
    manager.sentinels = [
        library.client(connection_pool=library.pool(connection_class=connection, host=host, port=port, **options))
        for host, port in address.nodes
    ]
    return manager


def connect(url: str, *, timeout: float = WORKER_TIMEOUT, retries: int = 0) -> Redis:
    """Return a client of the servers `url` stands for; `timeout` in seconds for each read, retries of lost connections.

    Nothing is connected yet. Raises ValueError for a URL that stands for none.
    """
    return Redis(connection_pool=_pool(BLOCKING, url, _options(timeout, retries=retries)))


def sentinels(url: str) -> redis.sentinel.Sentinel:
    """Return the Sentinels of a Sentinel URL."""
    return cast("redis.sentinel.Sentinel", _sentinels(BLOCKING, parse(url)))


def node(url: str, host: str, port: int) -> Redis:
    """Return a client of one server among those of `url`, whatever its role now, with the URL's login."""
    address = parse(url)
    options = _options(WORKER_TIMEOUT, retries=0) | address.options | {"host": host, "port": port}
    connection = BLOCKING.tls_connection if address.is_tls else BLOCKING.connection
    return Redis(connection_pool=BLOCKING.pool(connection_class=connection, **options))


def cache_pool_options() -> dict[str, Any]:
    """Options of django-redis' pool. Reads and idempotent writes: one retry when a pooled connection was cut."""
    return _options(WEB_TIMEOUT, retries=1)


class CacheConnectionFactory(ConnectionFactory):  # type: ignore[misc]  # django-redis' generics are not seen
    """Gives django-redis our connections, whatever the topology."""

    def get_connection_pool(self, params: dict[str, Any]) -> Any:
        return _pool(BLOCKING, params["url"], self.pool_cls_kwargs)


@functools.cache
def sessions_client() -> Redis:
    """Client of the sessions role, for web requests."""
    return connect(settings.EPICOPS_REDIS_SESSIONS_URL, timeout=WEB_TIMEOUT, retries=1)


@functools.cache
def queue_client() -> Redis:
    """Client of the queue role, for workers and commands. Never retries: a push might count twice."""
    return connect(settings.EPICOPS_REDIS_QUEUE_URL)


@functools.cache
def queue_web_client() -> Redis:
    """Client of the queue role for pages, which only read: a person waits."""
    return connect(settings.EPICOPS_REDIS_QUEUE_URL, timeout=WEB_TIMEOUT, retries=1)


def async_queue_client() -> AsyncRedis:
    """Client of the queue role for the listener's event loop; the caller closes it."""
    url = settings.EPICOPS_REDIS_QUEUE_URL
    kind = ReplicatedRedis if parse(url).topology is Topology.SENTINEL else AsyncRedis
    return kind.from_pool(_pool(ASYNC, url, _options(WORKER_TIMEOUT, retries=0, library=ASYNC)))
