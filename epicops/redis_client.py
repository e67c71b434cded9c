"""The only place that builds Redis clients: every one states its timeouts and its retries.

redis-py's defaults range from none to ten retries depending on how a client was made, and `socket_timeout`
counts per read, not per command. A timed-out write may have been applied: writes are never retried here.
"""

import functools
from collections.abc import Callable
from typing import Any, cast

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

__all__ = [
    "Redis",
    "cache_pool_options",
    "cache_tracking_connection",
    "queue_client",
    "queue_door_client",
    "queue_web_client",
    "server_run_id",
    "sessions_client",
    "sessions_store_client",
]

WEB_TIMEOUT = 0.1  # seconds for one read while a person waits
DOOR_TIMEOUT = 1.0  # seconds; fsync of one group of messages
TRACKING_TIMEOUT = 1.0  # seconds until a silent server's local copies are given up
SESSIONS_TIMEOUT = 0.25  # seconds; a false alarm costs every process a second of PostgreSQL
WORKER_TIMEOUT = 5.0  # seconds; a claim may move 1,000 large messages

LEAN: dict[str, Any] = {  # one round trip to connect instead of six
    "driver_info": None,
    "maint_notifications_config": MaintNotificationsConfig(enabled=False),
}


def _options(timeout: float, *, retries: int) -> dict[str, Any]:
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, 1.0),
        "retry": Retry(NoBackoff(), retries, supported_errors=(RedisConnectionError,)),
        **LEAN,
    }


def cache_pool_options() -> dict[str, Any]:
    """Options of django-redis' pool. Reads and idempotent writes: one retry when a pooled connection was cut."""
    return _options(WEB_TIMEOUT, retries=1)


def cache_tracking_connection() -> AbstractConnection:
    """Open a connection to the cache server for one thread to hear of changes on (RESP3); that thread closes it.

    Raise RedisError or OSError when there is no server.
    """
    client = Redis.from_url(settings.EPICOPS_REDIS_CACHE_URL, protocol=3, **_options(TRACKING_TIMEOUT, retries=0))
    return cast("AbstractConnection", client.connection_pool.get_connection())


@functools.cache
def sessions_client() -> Redis:
    """Client of the sessions role, for web requests."""
    return Redis.from_url(settings.EPICOPS_REDIS_SESSIONS_URL, **_options(WEB_TIMEOUT, retries=1))


@functools.cache
def sessions_store_client(on_connect: Callable[[Any], None]) -> Redis:
    """Client of the sessions role for the session engine, which greets each new connection and repeats calls itself."""
    options = _options(SESSIONS_TIMEOUT, retries=0) | {"redis_connect_func": on_connect}
    return Redis.from_url(settings.EPICOPS_REDIS_SESSIONS_URL, **options)


def server_run_id(connection: Any) -> str:
    """Return the id that a server gave itself when it started, over a connection that nobody else uses yet."""
    connection.send_command("INFO", "server")
    reply = connection.read_response()
    lines = (reply.decode() if isinstance(reply, bytes) else str(reply)).splitlines()
    return next((line.removeprefix("run_id:") for line in lines if line.startswith("run_id:")), "")


@functools.cache
def queue_client() -> Redis:
    """Client of the queue role, for workers and commands. Never retries: a push might count twice."""
    return Redis.from_url(settings.EPICOPS_REDIS_QUEUE_URL, **_options(WORKER_TIMEOUT, retries=0))


@functools.cache
def queue_web_client() -> Redis:
    """Client of the queue role for pages, which only read: a person waits."""
    return Redis.from_url(settings.EPICOPS_REDIS_QUEUE_URL, **_options(WEB_TIMEOUT, retries=1))


@functools.cache
def queue_door_client() -> Redis:
    """Client of the queue role for what a sender waits for; beyond this timeout PostgreSQL's inbox takes over."""
    return Redis.from_url(settings.EPICOPS_REDIS_QUEUE_URL, **_options(DOOR_TIMEOUT, retries=0))
