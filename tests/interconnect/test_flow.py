"""The account of all messages, and what a person can do about a claim that does not move."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audit.models import AuditEvent
from epicops import keys
from epicops.redis_client import queue_client, queue_web_client
from interconnect.consumer import lanes
from interconnect.consumer.inflight import flight, suspect
from interconnect.consumer.queue import InboundQueue, uuid7
from interconnect.dlq.discard import discard
from interconnect.models import DeadLetter, InboundMessage
from interconnect.reconciliation import reconcile
from tests.builders import adt, drain, oru, push
from tests.operators import olu, staff
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

FLOW = reverse("admin:interconnect_batch_flow")
ORDER = reverse("admin:interconnect_batch_order")


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(staff("ola", "view_batch", "release_batch"))
    return client


def claim(size: int = 10) -> None:
    """Take messages as a worker that dies before it has applied them."""
    queue = InboundQueue(queue_client(), "owner")
    queue.take_over()
    queue.claim(size)


def order(client: Client, verb: str, **more: Any) -> Any:
    return client.post(ORDER, {"verb": verb, "batch": uuid7(), **more}, follow=True)


def test_every_message_that_was_pushed_is_somewhere() -> None:
    push(adt("A01"), oru(), adt("A60"), adt("A01", "2", bed=""), adt("A01", "3", bed=""))
    drain()
    discard(DeadLetter.objects.filter(message__ordinal=4), by=olu(), reason="test", text="-")
    push(adt("A02"), adt("A03"), adt("A04"))
    claim(2)

    account = reconcile(queue_client())

    assert (account.pushed, account.waiting, account.inflight) == (8, 1, 2)
    assert account.rows == {"applied": 2, "skipped": 1, "dead": 1, "discarded": 1}
    assert account.is_balanced


def test_replays_and_what_others_put_on_the_dlq_were_never_pushed() -> None:
    push(adt("A01", bed=""))
    drain()
    DeadLetter.objects.request_replay(by=olu())
    queue_client().lpush(keys.DLQ, b"FAILED: Invalid message")
    drain()

    account = reconcile(queue_client())

    assert InboundMessage.objects.count() == 3
    assert account.rows == {"dead": 1, "discarded": 0}
    assert account.is_balanced


def test_what_somebody_else_takes_from_the_queue_has_vanished() -> None:
    push(adt("A01"))
    drain()
    push(oru(), oru(minutes=2))
    claim(1)
    queue_client().rpop(keys.QUEUE)

    account = reconcile(queue_client())

    assert (account.vanished, account.is_balanced) == (1, False)


def test_a_message_without_a_row_is_missing(operator: Client) -> None:
    push(adt("A01"), oru())
    drain()
    queue_client().hincrby(keys.CONTROL, "pushed", 1)  # a claim that was acknowledged and never committed

    assert reconcile(queue_client()).missing == 1
    assert "It does not add up" in operator.get(FLOW).content.decode()


def test_rows_that_redis_has_forgotten_are_a_surplus() -> None:
    push(adt("A01"), oru())
    drain()
    queue_client().hincrby(keys.CONTROL, "pushed", -1)  # a failover to a replica that lacked a push

    assert reconcile(queue_client()).surplus == 1


def test_the_page_shows_the_claim_in_flight_and_its_messages(operator: Client) -> None:
    push(adt("A01"), oru())
    claim()

    words = operator.get(FLOW).content.decode()

    assert "It adds up" in words
    assert "ADT^A01" in words
    assert "Quarantine message 1" in words
    assert "nobody" in words


def test_a_message_put_aside_becomes_a_dead_letter_and_the_rest_goes_on(operator: Client) -> None:
    push(adt("A01"), oru(), adt("A02", minutes=5))
    claim()
    current = flight(queue_client())
    assert current is not None

    order(operator, "quarantine", batch=current.batch, ordinal=1)
    drain()

    assert list(InboundMessage.objects.order_by("pk").values_list("status", flat=True)) == [
        "applied",
        "dead",
        "applied",
    ]
    assert DeadLetter.objects.get().error_class == "quarantined"
    assert AuditEvent.objects.get(code="claim.quarantine").detail == {"ordinal": 1}
    assert reconcile(queue_client()).is_balanced


def test_an_order_for_another_claim_does_nothing(operator: Client) -> None:
    push(adt("A01"))
    claim()

    shown = order(operator, "one-by-one").content.decode()

    assert "Another claim is in flight by now" in shown
    assert not suspect(queue_client(), uuid7())
    assert not queue_client().exists(keys.TAKEOVERS)


def test_each_lane_is_shown_and_together_they_are_what_is_in_flight(operator: Client) -> None:
    push(*(oru(f"M{number}") for number in range(9)))
    dealer = InboundQueue(queue_client(), "owner")
    dealer.take_over()
    dealt = dealer.claim(7)
    assert dealt is not None
    lanes.set_current(queue_client(), 2)
    lanes.deal(dealer, dealt, [1, 2, 2, 2, 1])
    second = InboundQueue(queue_client(), "owner of 2", lane=2)
    second.take_over()
    claimed = second.claim(2)
    assert claimed is not None

    account = reconcile(queue_client())
    words = " ".join(operator.get(FLOW).content.decode().split())
    order(operator, "quarantine", batch=claimed.id, ordinal=1)

    assert account.lanes == ((0, 0), (2, 0), (1, 2))
    assert (account.pushed, account.waiting, account.inflight, account.is_balanced) == (9, 4, 5, True)
    assert "In flight in lane 2" in words
    assert "<td>1</td><td>2</td>" in words
    assert queue_client().hget(keys.canary(2), "aside:1") == b"1"


def test_releasing_ends_the_owners_session_and_the_claim_comes_back(operator: Client, manage: Any) -> None:
    worker = manage("consume_interconnect")
    worker.wait_for("queue owned")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE interconnect_batch IN SHARE MODE")  # the worker's commit hangs
        push(adt("A01"))
        until(lambda: flight(queue_client()) is not None)
        current = flight(queue_client())
        assert current is not None
        order(operator, "release", batch=current.batch)

        worker.wait_for("worker waits")
    until(lambda: not flight(queue_client()))

    assert InboundMessage.objects.get().batch_id == current.batch
    assert reconcile(queue_client()).is_balanced


@pytest.fixture
def _queue_is_away(settings: Settings) -> Iterator[None]:
    settings.EPICOPS_REDIS_QUEUE_URL = "redis://127.0.0.1:1"
    queue_web_client.cache_clear()
    yield
    queue_web_client.cache_clear()


@pytest.mark.usefixtures("_queue_is_away")
def test_a_queue_that_is_away_is_not_taken_for_the_sessions_server(operator: Client) -> None:
    content = operator.get(FLOW).content.decode()

    assert "Redis is away: nobody can say what waits" in content
    assert "Sessions are served from PostgreSQL" not in content
