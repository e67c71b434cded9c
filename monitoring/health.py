"""Which parts answer. Each is asked on its own, so that one that is away never hides the others."""

import functools
from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from epicops import keys
from epicops.redis_client import Redis, queue_web_client, sessions_client
from interconnect.consumer.heartbeat import Program, programs

T = TypeVar("T")

ROLES: dict[str, Callable[[], Redis]] = {
    "sessions": sessions_client,
    "queue": queue_web_client,
    "cache": lambda: get_redis_connection("default"),
}
SAMPLE = {"sessions": keys.session(""), "queue": keys.QUEUE, "cache": keys.vitals("")}
KINDS = ("worker", "listener")


def answer(ask: Callable[[], T]) -> T | None:
    """Return what the part says, None when it does not answer."""
    try:
        return ask()
    except (RedisError, DatabaseError, OSError):
        return None


def servers() -> dict[str, bool]:
    """Say of PostgreSQL and each Redis role whether it answers."""
    found = {"PostgreSQL": answer(select_one) is not None}
    for role in ROLES:
        found[f"Redis {role}"] = bool(answer(functools.partial(serves, role)))
    return found


def serves(role: str) -> bool:
    """Ask every server of a role for a sign of life, and one for a key: another role's user gets no answer to that.

    A queue that is no list is not served: nothing can be pushed to it or taken from it. Raises RedisError or OSError.
    """
    client = ROLES[role]()
    return bool(client.ping() and client.type(SAMPLE[role]) in (b"none", b"list"))


def running() -> list[Program] | None:
    """Return workers and listeners, or None when the queue's server, which knows, does not answer."""
    return answer(lambda: programs(queue_web_client()))


def is_migrated() -> bool:
    """Whether the database has every table and column this release needs; raises DatabaseError without it."""
    if _is_migrated():
        return True
    _is_migrated.cache_clear()
    return False


@functools.cache
def _is_migrated() -> bool:
    """Read the migration files, which takes a while: a yes holds for the life of the process."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def select_one() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone())
