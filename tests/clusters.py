"""Going over to a Redis Cluster of a test's own."""

from contextlib import suppress

import pytest
from django.conf import LazySettings
from django.core.cache import caches

from epicops.redis_client import (
    _cache_client,
    queue_client,
    queue_door_client,
    queue_web_client,
    sessions_client,
    sessions_store_client,
)
from sessions_app.trust import trust
from vitals.cache import breaker

CLIENTS = (_cache_client, sessions_client, sessions_store_client, queue_client, queue_web_client, queue_door_client)


def use(url: str, settings: LazySettings, environment: pytest.MonkeyPatch) -> None:
    """Point all three roles of this process, and of those it starts, at a cluster; `forget` it before the test ends."""
    forget()
    for role in ("SESSIONS", "QUEUE", "CACHE"):
        setattr(settings, f"EPICOPS_REDIS_{role}_URL", url)
        environment.setenv(f"EPICOPS_REDIS_{role}_URL", url)
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": [url]}}


def forget() -> None:
    """Know nothing of any server, as a process that has just started."""
    trust.forget()
    for client in CLIENTS:
        client.cache_clear()
    with suppress(AttributeError):  # this thread has not used it
        del caches["default"]
    breaker.close()
