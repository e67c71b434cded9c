"""The rendered Cluster: TLS 1.3 with client certificates and a user per process, on Debian's Redis 7.0."""

from collections.abc import Callable, Iterator

import pytest
from django.conf import LazySettings
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError

from epicops import keys
from epicops.embedded.cluster_tier import ClusterTier
from epicops.redis_client import connect, queue_client
from interconnect.models import InboundMessage
from interconnect.wire.push import push
from sessions_app.backend import SessionStore
from tests.builders import adt, drain, oru
from tests.clusters import forget, use
from tests.load import SenderLoad
from vitals.cache import read_beds
from vitals.documents import Source
from vitals.models import Bed

GAP = 5.0  # seconds without writes that are promised at most

pytestmark = [pytest.mark.redis70, pytest.mark.slow]


@pytest.fixture(scope="module")
def tier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterTier]:
    with ClusterTier(tmp_path_factory.mktemp("tier")) as tier:
        yield tier


Become = Callable[[str], None]


@pytest.fixture
def become(tier: ClusterTier, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Become]:
    """Have this process use all three roles as one of the users from now on."""
    yield lambda user: use(tier.url(user), settings, monkeypatch)
    forget()


@pytest.mark.django_db(transaction=True)
def test_each_process_does_its_work_as_its_user(tier: ClusterTier, become: Become) -> None:
    become("ingest")
    push(queue_client(), [adt("A01"), oru(hr=78)])
    become("worker")
    drain()
    become("web")
    session = SessionStore()
    session["colour"] = "green"
    session.save()

    assert InboundMessage.objects.filter(status=InboundMessage.Status.APPLIED).count() == 2
    (vitals,) = read_beds([Bed.objects.get(key="bed427")]).values()
    assert vitals.source == Source.CACHE
    assert SessionStore(session.session_key)["colour"] == "green"
    assert connect(tier.url("web")).exists(keys.session(str(session.session_key)))


def test_a_user_may_do_no_more_than_its_work_on_any_shard(tier: ClusterTier) -> None:
    ingest = connect(tier.url("ingest"))

    for name in ("a", "b", "c", keys.QUEUE):
        with pytest.raises(NoPermissionError):
            ingest.get(name)


def test_without_a_certificate_nobody_gets_in(tier: ClusterTier) -> None:
    url, _, query = tier.url("web").partition("?")

    with pytest.raises(RedisConnectionError):
        connect(f"{url}?{query.split('&')[0]}").ping()


@pytest.mark.ha
def test_no_accepted_message_is_lost_when_the_primary_goes(
    tier: ClusterTier, become: Become, settings: LazySettings
) -> None:
    become("ingest")
    server = tier.primary(keys.QUEUE)

    with SenderLoad() as load:
        server.kill()
        load.wait_for_more()

    assert load.gap < GAP
    assert load.lost(connect(tier.url("admin"))) == 0
    server.start()
    tier.wait_until_whole()
