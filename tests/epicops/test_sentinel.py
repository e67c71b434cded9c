"""Failover of the rendered tier (TLS, users, three Sentinels) under load. Sentinel's clocks run ten times faster."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from redis.exceptions import ConnectionError as RedisConnectionError

from audit.models import AuditEvent
from epicops import keys
from epicops.embedded.tier import Tier
from epicops.redis_client import connect, queue_client, sessions_client, sessions_store_client
from epicops.redis_config import ROLES
from interconnect.models import InboundMessage
from sessions_app.trust import trust
from tests.builders import adt, drain
from tests.factories import bed
from tests.load import BoardLoad, SenderLoad, SessionLoad

pytestmark = [
    pytest.mark.redis70,
    pytest.mark.slow,
    # A frozen server does not answer the end of a TLS connection: asyncio leaves its socket to the collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
]

GAP = 5.0  # seconds without writes that are promised at most
PAGE = 3.0  # seconds for somebody who comes while a primary has just hung; on a machine that does much else
QUEUE_URL = "EPICOPS_REDIS_QUEUE_URL"

ha = pytest.mark.ha


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    with Tier(tmp_path_factory.mktemp("tier"), is_fast=True) as tier:
        yield tier


@pytest.fixture
def tier(running: Tier, settings: LazySettings) -> Iterator[Tier]:
    """The tier, whole, and this process with its addresses; what a test left down is started again."""
    for name, url in (running.urls("web") | {"EPICOPS_REDIS_QUEUE_URL": running.urls("ingest")[QUEUE_URL]}).items():
        setattr(settings, name, url)
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": [settings.EPICOPS_REDIS_CACHE_URL]}}
    forget_clients()
    running.primary("queue").client().delete(keys.QUEUE)
    yield running
    forget_clients()
    for server in (*running.servers.values(), *running.watchers.values()):
        server.thaw()
        if not server.is_running:
            server.start()
    running.wait_until_whole()


def forget_clients() -> None:
    trust.forget()  # what it knew was of other servers
    for client in (sessions_client, sessions_store_client, queue_client):
        client.cache_clear()


def kill(tier: Tier) -> None:
    for role in ROLES:
        tier.primary(role).kill()


def freeze(tier: Tier) -> None:
    for role in ROLES:
        tier.primary(role).freeze()


def freeze_host(tier: Tier) -> None:
    host = tier.primary("queue").address[0]
    for server in (tier.watchers[host], *(tier.servers[host, role] for role in ROLES)):
        server.freeze()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("disaster", [kill, pytest.param(freeze, marks=ha), pytest.param(freeze_host, marks=ha)])
def test_a_hospital_at_work_loses_nothing_when_the_primaries_go(tier: Tier, disaster: Callable[[Tier], None]) -> None:
    with ExitStack() as at_work:
        sender, people, board = SenderLoad(), SessionLoad(), BoardLoad([bed()])
        for load in (sender, people, board):
            at_work.enter_context(load)
        disaster(tier)
        for load in (sender, people, board):
            load.wait_for_more()
        until_redis_holds_sessions()

    assert sender.lost(tier.primary("queue").client()) == 0
    assert people.wrong() == []
    assert sender.gap < GAP
    assert max(people.gap, board.gap) < PAGE


@ha
def test_a_switchover_loses_nothing(tier: Tier, settings: LazySettings) -> None:
    before = tier.primary("queue").address

    with SenderLoad() as load:
        settings.EPICOPS_REDIS_QUEUE_URL = tier.urls("admin")[QUEUE_URL]
        call_command("switchover", "queue")
        load.wait_for_more()

    assert tier.primary("queue").address != before
    assert load.lost(tier.primary("queue").client()) == 0
    assert load.gap < GAP


@ha
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


@ha
def test_without_a_quorum_nothing_fails_over_and_nothing_is_accepted(tier: Tier) -> None:
    primary = tier.primary("queue")
    for watcher in list(tier.watchers.values())[1:]:
        watcher.freeze()
    primary.kill()

    time.sleep(4)  # twice what a failover takes here

    with pytest.raises(RedisConnectionError):
        connect(tier.urls("ingest")[QUEUE_URL], timeout=0.3).lpush(keys.QUEUE, "m")


@ha
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

    assert load.accepted == set()
    assert load.refused > 0


@ha
@pytest.mark.django_db(transaction=True)
def test_what_a_replica_gives_back_is_recognised(tier: Tier, settings: LazySettings) -> None:
    messages = [adt("A08", minutes=number) for number in range(10)]
    queue_client().lpush(keys.QUEUE, *messages)
    assert queue_client().wait(2, 2000) == 2
    for name, url in tier.urls("worker").items():
        setattr(settings, name, url)
    forget_clients()
    primary = tier.primary("queue")
    replicas = [server for (_, role), server in tier.servers.items() if role == "queue" and server is not primary]
    primary.client().config_set("min-replicas-to-write", 0)
    secret = str(replicas[0].client().config_get("masterauth")["masterauth"])
    for server in replicas:  # they do not hear that the messages are taken
        server.client().config_set("masterauth", "no more")
        server.client().client_kill_filter(_type="master")

    drain()
    primary.kill()
    for server in replicas:
        server.client().config_set("masterauth", secret)
    drain()

    deliveries = InboundMessage.objects.order_by("id")
    assert [m.status for m in deliveries] == ["applied"] * 10 + ["skipped"] * 10
    assert all(m.reason.startswith("came back after a failover") for m in deliveries[10:])
    assert AuditEvent.objects.get(code="queue.guard.end").detail == {"recognised": 10}


def until_redis_holds_sessions() -> None:
    deadline = time.monotonic() + 3 * GAP
    while not trust.is_redis():
        assert time.monotonic() < deadline, "sessions stay in PostgreSQL"
        time.sleep(0.05)
