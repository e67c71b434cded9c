"""A shard is added to a Cluster, and the queue's slot with its lanes moves there, while senders and workers go on."""

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
from tests.builders import adt, push
from tests.clusters import forget, use
from tests.load import SenderLoad
from tests.processes import ManageProcess
from tests.waiting import until

PATIENTS = 7
BACKLOG = 3000  # messages
Manage = Callable[..., ManageProcess]

pytestmark = [pytest.mark.slow, pytest.mark.ha, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("lanes", [1, 3])
def test_the_queue_moves_to_a_new_shard_while_it_is_worked_off(
    lanes: int,
    tmp_path: Path,
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
    process_environment: dict[str, str],
    manage: Manage,
) -> None:
    with Cluster(tmp_path, shards=3, replicas=0) as cluster:
        use(cluster.url, settings, monkeypatch)
        process_environment |= {f"EPICOPS_REDIS_{role}_URL": cluster.url for role in ("SESSIONS", "QUEUE", "CACHE")}
        added = cluster.add_primary()
        waiting = [adt("A01", f"{number % PATIENTS:08}", minutes=number - BACKLOG) for number in range(BACKLOG)]
        push(*waiting)
        worker = manage("consume_interconnect", "--lanes", str(lanes), "--batch", "50")
        worker.wait_for("queue owned", 60)
        with SenderLoad(patients=PATIENTS) as load:
            until(lambda: depth(queue_client())[1] > 0)
            cluster.move(keys.QUEUE, added)
            moved_with = sum(depth(queue_client()))
            load.wait_for_more(100)
        until(lambda: sum(depth(queue_client())) == 0)
        forget()

    messages = [bytes(raw) for raw in InboundMessage.objects.order_by("id").values_list("raw", flat=True)]
    applied = Counter(messages)
    assert moved_with > PATIENTS
    assert load.accepted | set(waiting) <= applied.keys()
    assert set(applied.values()) == {1}
    for patient in range(PATIENTS):
        sent = [raw.split(b"|")[6] for raw in messages if f"|{patient:08}^".encode() in raw]
        assert sent
        assert sent == sorted(sent)
    assert QueueRun.objects.count() == 2
