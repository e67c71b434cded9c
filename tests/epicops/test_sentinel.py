"""Failover of the rendered tier (TLS, users, three Sentinels) under load. Sentinel's clocks run ten times faster."""

import time
from collections.abc import Callable, Iterator

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from redis.exceptions import ConnectionError as RedisConnectionError

from epicops import keys
from epicops.embedded.tier import Tier
from epicops.redis_client import connect, queue_client, sessions_client
from sessions_app.backend import SessionsUnavailable
from tests.factories import bed
from tests.load import SenderLoad
from vitals.cache import read_beds

pytestmark = [
    pytest.mark.redis70,
    pytest.mark.slow,
    pytest.mark.ha,
    # A frozen server does not answer the end of a TLS connection: asyncio leaves its socket to the collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
]

GAP = 5.0  # seconds without writes that are promised at most


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    with Tier(tmp_path_factory.mktemp("tier"), down_after=300, is_fast=True) as tier:
        yield tier


@pytest.fixture
def tier(running: Tier, settings: LazySettings) -> Iterator[Tier]:
    """The tier, whole, and this process with its addresses; what a test left down is started again."""
    for role in ("sessions", "queue", "cache"):
        setattr(settings, f"EPICOPS_REDIS_{role.upper()}_URL", running.urls("web")[f"EPICOPS_REDIS_{role.upper()}_URL"])
    default = settings.CACHES["default"] | {"LOCATION": [settings.EPICOPS_REDIS_CACHE_URL]}
    settings.CACHES = {"default": default}
    settings.EPICOPS_REDIS_QUEUE_URL = running.urls("ingest")["EPICOPS_REDIS_QUEUE_URL"]
    sessions_client.cache_clear()
    queue_client.cache_clear()
    running.primary("queue").client().delete(keys.QUEUE)
    yield running
    sessions_client.cache_clear()
    queue_client.cache_clear()
    for server in (*running.servers.values(), *running.watchers.values()):
        server.thaw()
        if not server.is_running:
            server.start()
    running.wait_until_whole()


def kill(tier: Tier, role: str) -> None:
    tier.primary(role).kill()


def freeze(tier: Tier, role: str) -> None:
    tier.primary(role).freeze()


def freeze_host(tier: Tier, role: str) -> None:
    host = tier.primary(role).address[0]
    tier.watchers[host].freeze()
    tier.servers[host, role].freeze()


@pytest.mark.parametrize("disaster", [kill, freeze, freeze_host])
def test_no_accepted_message_is_lost_when_the_primary_goes(tier: Tier, disaster: Callable[[Tier, str], None]) -> None:
    with SenderLoad() as load:
        disaster(tier, "queue")
        load.wait_for_more()

    assert load.lost(tier.primary("queue").client()) == 0
    assert load.gap < GAP


def test_a_switchover_loses_nothing(tier: Tier, settings: LazySettings) -> None:
    before = tier.primary("queue").address

    with SenderLoad() as load:
        settings.EPICOPS_REDIS_QUEUE_URL = tier.urls("admin")["EPICOPS_REDIS_QUEUE_URL"]
        call_command("switchover", "queue")
        load.wait_for_more()

    assert tier.primary("queue").address != before
    assert load.lost(tier.primary("queue").client()) == 0
    assert load.gap < GAP


def test_a_switchover_without_a_level_replica_changes_nothing(
    tier: Tier, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("epicops.switchover.DEADLINE", 0.5)
    settings.EPICOPS_REDIS_CACHE_URL = tier.urls("admin")["EPICOPS_REDIS_CACHE_URL"]
    primary = tier.primary("cache")
    replicas = [server for (_, role), server in tier.servers.items() if role == "cache" and server is not primary]
    for replica in replicas:
        replica.kill()

    with pytest.raises(CommandError, match="nothing was changed"):
        call_command("switchover", "cache")

    assert tier.primary("cache") is primary
    assert primary.client().set("patient:bed1:vitals", "{}")


@pytest.mark.django_db
def test_boards_are_served_all_through_a_failover(tier: Tier) -> None:
    beds, slowest = [bed()], 0.0
    tier.primary("cache").kill()
    failed_over = time.monotonic() + 2

    while time.monotonic() < failed_over:
        started = time.monotonic()
        assert len(read_beds(beds)) == 1
        slowest = max(slowest, time.monotonic() - started)

    assert slowest < 1.5  # a page waits once, then the breaker is open


def test_without_a_quorum_nothing_fails_over_and_nothing_is_accepted(tier: Tier) -> None:
    primary = tier.primary("queue")
    for watcher in list(tier.watchers.values())[1:]:
        watcher.freeze()
    primary.kill()

    time.sleep(1.5)  # three times what a failover takes here

    with pytest.raises(RedisConnectionError):
        connect(tier.urls("ingest")["EPICOPS_REDIS_QUEUE_URL"], timeout=0.3).lpush(keys.QUEUE, "m")


def test_a_primary_without_replicas_accepts_nothing(tier: Tier) -> None:
    primary = tier.primary("queue")
    for (_, role), server in tier.servers.items():
        if role == "queue" and server is not primary:
            server.freeze()

    load = SenderLoad()
    load._thread.start()
    time.sleep(1)
    load._stop.set()
    load._thread.join()

    assert load.accepted == {}
    assert load.refused > 0


def until(is_done: Callable[[], bool], seconds: float = GAP) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if is_done():
                return
        except SessionsUnavailable:
            pass
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")
