"""A Redis Cluster of a test's own that all three roles use."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import LazySettings

from epicops.embedded.cluster import Cluster
from epicops.redis_client import (
    connect,
    queue_client,
    queue_door_client,
    queue_web_client,
    sessions_client,
    sessions_store_client,
)
from sessions_app.trust import trust
from vitals.cache import breaker

CLIENTS = (sessions_client, sessions_store_client, queue_client, queue_web_client, queue_door_client)


@contextmanager
def used(cluster: Cluster, settings: LazySettings, environment: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Point this process, and those it starts, at an empty cluster."""
    for role in ("SESSIONS", "QUEUE", "CACHE"):
        setattr(settings, f"EPICOPS_REDIS_{role}_URL", cluster.url)
        environment.setenv(f"EPICOPS_REDIS_{role}_URL", cluster.url)
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": [cluster.url]}}
    connect(cluster.url).flushall()
    _forget()
    yield cluster
    _forget()


def _forget() -> None:
    trust.forget()
    for client in CLIENTS:
        client.cache_clear()
    breaker._open_until = 0.0
