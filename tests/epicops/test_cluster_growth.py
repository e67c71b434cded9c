"""A shard is added to a Cluster, and the queue's slot moves there, while senders and a worker go on."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings

from epicops import keys
from epicops.embedded.cluster import Cluster
from epicops.redis_client import queue_client
from interconnect.consumer.queue import depth
from interconnect.models import InboundMessage, QueueRun
from tests.clusters import forget, use
from tests.load import SenderLoad
from tests.processes import ManageProcess

DRAIN_SECONDS = 15.0
Manage = Callable[..., ManageProcess]

pytestmark = [pytest.mark.slow, pytest.mark.ha, pytest.mark.django_db(transaction=True)]


def test_the_queue_moves_to_a_new_shard_while_it_is_worked_off(
    tmp_path: Path,
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
    process_environment: dict[str, str],
    manage: Manage,
) -> None:
    with Cluster(tmp_path, shards=3, replicas=0) as cluster:
        use(cluster.url, settings, monkeypatch)
        process_environment |= {f"EPICOPS_REDIS_{role}_URL": cluster.url for role in ("SESSIONS", "QUEUE", "CACHE")}
        worker = manage("consume_interconnect")
        worker.wait_for("queue owned", 60)
        with SenderLoad() as load:
            added = cluster.add_primary()
            cluster.move(keys.QUEUE, added)
            load.wait_for_more(100)
        wait_until(lambda: sum(depth(queue_client())) == 0)
        forget()

    applied = Counter(bytes(raw) for raw in InboundMessage.objects.values_list("raw", flat=True))
    assert load.accepted <= applied.keys()
    assert set(applied.values()) == {1}
    assert QueueRun.objects.count() == 2


def wait_until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while not is_done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
