"""Failover of the rendered tier (TLS, users, three Sentinels) under load. Sentinel's clocks run ten times faster."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from redis.exceptions import ConnectionError as RedisConnectionError

from audit.models import AuditEvent
from epicops import keys
from epicops.embedded.tier import Node, Tier
from epicops.redis_client import connect, queue_client, sessions_client, sessions_store_client
from epicops.redis_config import ROLES
from interconnect.models import InboundMessage
from sessions_app.trust import trust
from tests.builders import adt, drain
from tests.factories import bed
from tests.load import BoardLoad, SenderLoad, SessionLoad
from tests.waiting import until
from vitals import fence
from vitals.cache import read_beds
from vitals.documents import Source
from vitals.models import Bed

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
        until(trust.is_redis, 3 * GAP)

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


@pytest.fixture
def replicas(tier: Tier, settings: LazySettings) -> Iterator[list[Node]]:
    """The cache's replicas, which boards read, and which have a document of bed427."""
    settings.EPICOPS_REDIS_CACHE_URL += "&replicas=1"
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": [settings.EPICOPS_REDIS_CACHE_URL]}}
    primary = tier.primary("cache")
    write(primary, hr=78)
    primary.client().wait(2, 2000)
    yield [server for (_, role), server in tier.servers.items() if role == "cache" and server is not primary]
    fence.replicas._open_until = 0.0


def write(server: Node, *, hr: int) -> None:
    """Put another document of bed427 into the cache."""
    document = {"hr": hr, "at": {"hr": 1767135600}, "encounter": None}
    server.client().set(keys.vitals("bed427"), json.dumps(document), ex=60)


def shown(where: Bed) -> tuple[str, Source]:
    """The heart rate on a board, and where it was read."""
    (vitals,) = read_beds([where]).values()
    return vitals.readings[0].text, vitals.source


def looks(server: Node) -> int:
    return int(server.client().info("commandstats").get("cmdstat_mget", {"calls": 0})["calls"])


@pytest.mark.django_db
def test_boards_read_a_replica(tier: Tier, replicas: list[Node]) -> None:
    primary = tier.primary("cache")
    before, at_primary = sum(map(looks, replicas)), looks(primary)

    assert shown(bed()) == ("78", Source.CACHE)

    assert (sum(map(looks, replicas)) - before, looks(primary) - at_primary) == (1, 0)


@pytest.mark.django_db
def test_a_replica_whose_link_is_down_shows_nothing_old(tier: Tier, replicas: list[Node]) -> None:
    for server in replicas:
        server.client().config_set("masterauth", "no more")
        server.client().client_kill_filter(_type="master")
        while server.client().info("replication")["master_link_status"] == "up":
            time.sleep(0.02)
    write(tier.primary("cache"), hr=140)

    assert shown(bed()) == ("140", Source.CACHE)

    for server in replicas:
        server.client().config_set("masterauth", tier.passwords["replica"])


@ha
@pytest.mark.django_db
@pytest.mark.parametrize("go", [Node.kill, Node.freeze])
def test_boards_go_on_when_their_replicas_go(tier: Tier, replicas: list[Node], go: Callable[[Node], None]) -> None:
    where = bed()
    shown(where)
    for server in replicas:
        go(server)
    started = time.monotonic()

    assert {shown(where) for _ in range(20)} == {("78", Source.CACHE)}

    assert time.monotonic() - started < PAGE
