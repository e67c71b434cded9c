"""Who applies messages, and how a hung or pooled owner is dealt with."""

import signal
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from epicops import keys
from epicops.embedded.stack import Stack
from epicops.redis_client import queue_client
from epicops.shutdown import StopFlag
from interconnect.consumer.ownership import TransactionPooling, owned_queue, refuse_transaction_pooling
from interconnect.models import InboundMessage
from tests.builders import drain, oru, push
from tests.pooler import TransactionPooler
from tests.processes import ManageProcess
from tests.waiting import until

Manage = Callable[..., ManageProcess]

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def pooled(stack: Stack, settings: object) -> Iterator[None]:
    """The default connection leads through a pooler in transaction mode."""
    parameters = connection.settings_dict
    before = parameters["HOST"], parameters["PORT"]
    with TransactionPooler(stack.postgres.sockets) as pooler:
        connection.close()
        parameters["HOST"], parameters["PORT"] = pooler.address
        yield
        connection.close()
        parameters["HOST"], parameters["PORT"] = before


def test_a_direct_connection_is_accepted() -> None:
    refuse_transaction_pooling()


def test_a_pooler_in_transaction_mode_is_refused(pooled: None) -> None:
    with pytest.raises(TransactionPooling, match="pool_mode=session"), owned_queue(queue_client(), StopFlag()):
        pytest.fail("owned")


def test_the_worker_ends_with_the_reason_behind_such_a_pooler(
    stack: Stack, process_environment: dict[str, str], manage: Manage
) -> None:
    with TransactionPooler(stack.postgres.sockets) as pooler:
        host, port = pooler.address
        process_environment["EPICOPS_DATABASE_URL"] = make_conninfo(
            process_environment["EPICOPS_DATABASE_URL"], host=host, port=port
        )
        worker = manage("consume_interconnect", "--drain")

        assert worker.wait(15) == 1
        assert "pool_mode=session" in worker.stderr


def test_a_hung_owner_is_replaced_and_can_do_no_harm_when_it_wakes(manage: Manage) -> None:
    pushed = [f"R01P{number % 50}{number}" for number in range(3000)]
    push(*(oru(f"P{number % 50}", minutes=number) for number in range(3000)))
    hung = manage("consume_interconnect")
    while InboundMessage.objects.count() < 200:
        time.sleep(0.01)
    hung.signal(signal.SIGSTOP)
    successor = manage("consume_interconnect", "--hung-after", "0.5")
    successor.wait_for("queue owned", 10)
    hung.signal(signal.SIGCONT)

    hung.wait_for("worker waits", 10)
    while queue_client().exists(keys.QUEUE, keys.INFLIGHT):
        time.sleep(0.02)
    assert list(InboundMessage.objects.order_by("id").values_list("control_id", flat=True)) == pushed
    assert "hung owner replaced" in successor.stderr


def test_all_name_what_they_wait_for_and_say_once_that_it_is_back(stack: Stack, manage: Manage) -> None:
    owner, standby = manage("consume_interconnect"), manage("consume_interconnect")
    until(lambda: "queue owned" in owner.stderr + standby.stderr, 30)

    stack.queue.kill()
    for worker in (owner, standby):
        worker.wait_for("Redis is away: ")
    stack.queue.start()

    for worker in (owner, standby):
        worker.wait_for("worker goes on")
        assert [worker.stderr.count(words) for words in ("standing by", "worker waits")] == [1, 1]


@pytest.mark.parametrize("lane", [(), ("--lanes", "2", "--lane", "1")], ids=["queue", "lane"])
def test_an_idle_owner_is_not_taken_for_hung(lane: tuple[str, ...], manage: Manage) -> None:
    drain()  # lanes know the queue's server by its owner
    owner = manage("consume_interconnect", *lane)
    owner.wait_for("queue owned")
    standby = manage("consume_interconnect", "--hung-after", "1.5", *lane)
    time.sleep(4)

    assert "hung owner replaced" not in standby.stderr
    assert "worker waits" not in owner.stderr
