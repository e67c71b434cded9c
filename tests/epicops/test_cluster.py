"""Sessions, queue and boards on a Redis Cluster of three primaries with a replica each, whose nodes are killed."""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from threading import Timer
from typing import Any

import pytest
from django.conf import LazySettings
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from epicops import keys
from epicops.embedded.cluster import Cluster, ClusterNode, command
from epicops.embedded.stack import free_port
from epicops.redis_client import Redis, connect, queue_client
from epicops.redis_pool import Pool
from epicops.redis_shards import shards
from epicops.redis_slots import slot_of_key
from interconnect.models import InboundMessage
from interconnect.wire.push import push
from monitoring import panels, redis_servers
from monitoring.metrics import exposition
from monitoring.preflight import preflight
from sessions_app.backend import SessionStore
from sessions_app.trust import trust
from tests import factories
from tests.builders import adt, drain, oru
from tests.clusters import forget, use
from vitals.cache import read_beds
from vitals.documents import Encounter, Source
from vitals.models import Bed

NODE_TIMEOUT = 500  # ms
GAP = 5.0  # seconds without writes that are promised at most

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), node_timeout=NODE_TIMEOUT) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: Cluster, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The cluster, whole and empty, for all three roles; what a test kills is started again."""
    connect(running.url).flushall()
    use(running.url, settings, monkeypatch)
    yield running
    forget()
    for server in running.nodes:
        if not server.is_running:
            server.start()
    running.wait_until_whole()


@pytest.fixture
def client(cluster: Cluster) -> Redis:
    return connect(cluster.url, timeout=0.5)


def key_elsewhere(cluster: Cluster, server: ClusterNode) -> str:
    """Return a key of another shard than the server's."""
    return next(name for number in count() if cluster.primary(name := f"bed:{number}:patient") is not server)


def until(is_done: Callable[[], bool], seconds: float = GAP) -> float:
    """Return how long it took; lost connections are waited out."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        try:
            if is_done():
                return time.monotonic() - started
        except RedisError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")


def has_slots(cluster: Cluster, server: ClusterNode, key: str) -> bool:
    return cluster.primary(key) is server


def is_pushed(client: Redis, message: bytes) -> bool:
    push(client, [message])
    return True


def session(**data: object) -> str:
    store = SessionStore()
    store.update(data)
    store.save()
    return str(store.session_key)


def test_one_pipeline_reaches_every_shard(client: Redis) -> None:
    names = [f"bed:{number}:patient" for number in range(50)]
    with client.pipeline(transaction=True) as pipe:
        for number, name in enumerate(names):
            pipe.set(name, number)
            pipe.expire(name, 60)
        pipe.execute()

    assert client.mget(names) == [str(number).encode() for number in range(50)]
    assert sorted(client.scan_iter()) == sorted(name.encode() for name in names)
    assert client.delete(*names) == 50


def test_connections_to_every_node_are_lent_without_redis_pys_metrics(client: Redis) -> None:
    assert {type(shard.connection_pool) for shard in shards(client)} == {Pool}


def test_the_helpers_of_the_queue_share_its_slot() -> None:
    helpers = (keys.INFLIGHT, keys.CONTROL, keys.TAKEOVERS, keys.CANARY, keys.ALIVE, keys.lane(3), keys.inflight(3))

    assert {slot_of_key(name) for name in helpers} == {slot_of_key(keys.QUEUE)}
    assert slot_of_key(keys.vitals_meta("bed427")) == slot_of_key(keys.vitals("bed427"))


def test_a_cluster_that_is_away_is_a_lost_connection() -> None:
    nobody = connect(f"redis+cluster://127.0.0.1:{free_port()}", timeout=0.1)

    with pytest.raises(RedisConnectionError):
        nobody.get("k")


@pytest.mark.django_db(transaction=True)
def test_messages_become_boards(cluster: Cluster) -> None:
    push(queue_client(), [adt("A01"), oru(hr=78), b"junk"])
    drain()

    assert InboundMessage.objects.count() == 3
    client = queue_client()
    assert (client.llen(keys.QUEUE), client.llen(keys.DLQ)) == (0, 1)
    assert client.get("bed:bed427:patient")
    (vitals,) = read_beds([Bed.objects.get(key="bed427")]).values()
    assert vitals.source == Source.CACHE


@pytest.mark.django_db
def test_a_ward_is_filled_once_and_then_read_from_all_shards(cluster: Cluster) -> None:
    beds = [factories.bed(f"bed{number}") for number in range(20)]

    sources = [{vitals.source for vitals in read_beds(beds).values()} for _ in range(2)]

    assert sources == [{Source.DATABASE}, {Source.CACHE}]


@pytest.mark.django_db
def test_sessions_are_spread_and_live(cluster: Cluster) -> None:
    ids = [session(colour="green") for _ in range(12)]

    assert len({cluster.primary(keys.session(name)) for name in ids}) == 3
    assert {SessionStore(name)["colour"] for name in ids} == {"green"}


@pytest.mark.django_db
def test_a_session_that_a_shard_lost_is_found_in_postgresql(cluster: Cluster, client: Redis) -> None:
    name = session(colour="green")
    client.delete(keys.session(name))

    assert SessionStore(name)["colour"] == "green"


@pytest.mark.django_db
def test_a_promoted_replica_is_not_believed(cluster: Cluster, client: Redis) -> None:
    name = session(colour="green")
    stale: dict[Any, Any] = client.hgetall(keys.session(name))
    assert trust.is_redis()
    generation = trust.state.generation
    cluster.primary(keys.session(name)).kill()
    until(lambda: bool(client.exists(keys.session(name))))
    SessionStore(name).flush()  # falls back, and is on record
    client.hset(keys.session(name), mapping=stale)

    until(trust.is_redis)

    assert not SessionStore(name).load()
    assert trust.state.generation > generation


@pytest.mark.django_db
def test_who_is_primary_again_is_met_anew(cluster: Cluster) -> None:
    name = session()
    first, second = cluster.primary(keys.session(name)), cluster.replica(keys.session(name))
    generations = []
    for promoted in (second, first):
        command(promoted, "FAILOVER")
        until(partial(has_slots, cluster, promoted, keys.session(name)))
        trust.forget()  # another process
        assert SessionStore(name).load() is not None
        generations.append(trust.state.generation)

    assert generations[1] > generations[0]


def test_a_killed_primary_stops_writes_for_less_than_five_seconds(cluster: Cluster, client: Redis) -> None:
    server = cluster.primary(keys.QUEUE)
    other, slowest = key_elsewhere(cluster, server), 0.0
    server.kill()

    def is_written() -> bool:
        nonlocal slowest
        started = time.monotonic()
        client.set(other, 1)
        slowest = max(slowest, time.monotonic() - started)
        return bool(client.lpush(keys.QUEUE, "m"))

    gap = until(is_written)

    assert gap < GAP
    assert slowest < gap / 2  # the other shards do not wait


@pytest.mark.django_db
def test_people_whose_sessions_are_elsewhere_hardly_notice_a_killed_primary(cluster: Cluster) -> None:
    names = [session(number=number) for number in range(12)]
    server, slowest = cluster.primary(keys.session(names[0])), 0.0
    elsewhere = [name for name in names if cluster.primary(keys.session(name)) is not server]
    server.kill()

    def is_over() -> bool:
        nonlocal slowest
        assert SessionStore(names[0]).load()  # and everybody's are in PostgreSQL until Redis is whole
        for name in elsewhere:
            started = time.monotonic()
            assert SessionStore(name)["number"] == names.index(name)
            slowest = max(slowest, time.monotonic() - started)
        return trust.is_redis()

    gap = until(is_over)

    assert gap < GAP
    assert slowest < gap / 2


def test_a_push_that_is_sent_elsewhere_does_not_count_as_confirmed(cluster: Cluster, client: Redis) -> None:
    push(client, [b"1"])
    promoted = cluster.replica(keys.QUEUE)
    command(promoted, "FAILOVER")
    until(partial(has_slots, cluster, promoted, keys.QUEUE))  # which the client has yet to learn

    with pytest.raises(RedisError):
        push(client, [b"2"])

    until(partial(is_pushed, client, b"3"))
    assert client.lrange(keys.QUEUE, 0, -1) == [b"3", b"1"]


def test_a_push_whose_answer_is_lost_is_not_sent_again(cluster: Cluster, client: Redis) -> None:
    server, impatient = cluster.primary(keys.QUEUE), connect(cluster.url, timeout=0.1)
    impatient.lpush(keys.QUEUE, b"1")
    server.freeze()  # it will find the push in its socket
    Timer(0.15, server.thaw).start()  # in time for a second try

    with pytest.raises(RedisError):
        impatient.lpush(keys.QUEUE, b"2")

    until(lambda: client.lrange(keys.QUEUE, 0, -1)[:1] == [b"2"])
    assert client.lrange(keys.QUEUE, 0, -1) == [b"2", b"1"]


@pytest.fixture
def late_replica(cluster: Cluster, settings: LazySettings) -> Iterator[Redis]:
    """A replica that has missed the second of two documents of bed427, which boards read."""
    settings.EPICOPS_REDIS_CACHE_URL = f"{cluster.url}?replicas=1"
    name = keys.vitals("bed427")
    primary, replica = cluster.primary(name).client(), cluster.replica(name).client()
    primary.set(name, document(hr=78, visit=1), ex=60)
    primary.wait(1, 1000)
    replica.config_set("masterauth", "wrong")  # it cannot come back
    primary.client_kill_filter(_type="replica")
    until(lambda: replica.info("replication")["master_link_status"] == "down")
    primary.set(name, document(hr=140, visit=2), ex=60)
    yield replica
    for setting, value in (("replica-serve-stale-data", "yes"), ("masterauth", "")):
        replica.config_set(setting, value)


def document(*, hr: int, visit: int) -> str:
    return json.dumps({"hr": hr, "at": {"hr": 1767135600}, "encounter": visit, "patient": 9})


def heart_rate(bed: Bed, encounters: dict[int, Encounter] | None = None) -> str:
    (vitals,) = read_beds([bed], encounters).values()
    return vitals.readings[0].text


@pytest.mark.django_db
@pytest.mark.usefixtures("late_replica")
def test_what_a_late_replica_says_does_not_get_into_the_cache(cluster: Cluster) -> None:
    bed = factories.bed()

    until(lambda: heart_rate(bed) == "78")  # after the tests before, which replica it is may have to be learnt
    assert heart_rate(bed, {bed.pk: Encounter(2, 9)}) == "140"  # another visit: the primary is asked, which has it
    assert json.loads(connect(cluster.url).get(keys.vitals(bed.key)) or "")["hr"] == 140


@pytest.mark.django_db
def test_a_replica_that_knows_it_is_late_is_not_believed(late_replica: Redis) -> None:
    late_replica.config_set("replica-serve-stale-data", "no")  # as rendered

    assert heart_rate(factories.bed()) == "140"


@pytest.mark.django_db
def test_operators_see_every_shard(cluster: Cluster, client: Redis) -> None:
    for number in range(30):
        client.set(f"bed:{number}:patient", 1)

    findings = {finding.condition: finding.is_kept for finding in preflight()}
    (family,) = redis_servers.families(client)

    assert [findings[f"Redis sessions shard {place} has 1 replicas"] for place in (1, 2, 3)] == [True] * 3
    assert findings["Redis queue serves 16384 slots of 16384"]
    assert redis_servers.digest(client)["role"] == "master · master · master"
    assert family.number == 30
    assert 'epicops_redis_memory_max_bytes{role="queue"} 8.05306368e+08' in exposition().decode()  # 3 x 256 MiB
    assert [server.limit for server in panels.servers({})] == [3 * 256 * 2**20] * 3
