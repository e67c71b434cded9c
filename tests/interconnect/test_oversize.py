"""What is too large for anybody to read is kept whole, and keeps nobody waiting."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from epicops import keys
from epicops.redis_client import queue_client
from interconnect.consumer.dealing import Dealer
from interconnect.consumer.queue import MAX_CLAIM_BYTES, OVERSIZE, Claim, InboundQueue
from interconnect.models import DeadLetter, InboundMessage
from tests.builders import adt, drain, oru, push
from tests.operators import root
from tests.processes import ManageProcess

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = adt("A01", "2") + b"\rOBX|1|ED|scan||" + b"x" * OVERSIZE


@pytest.fixture
def queue() -> InboundQueue:
    queue = InboundQueue(queue_client(), "owner")
    queue.take_over()
    return queue


def test_it_is_a_dead_letter_with_all_its_bytes_and_its_neighbours_are_applied() -> None:
    push(adt("A01"), LARGE, oru())
    drain()

    large = InboundMessage.objects.get(status="dead")
    assert (large.control_id, large.dead_letter.error_class) == ("A0120", "too-large")
    assert bytes(large.raw) == LARGE
    assert bytes(large.sha256) == hashlib.sha256(LARGE).digest()
    assert list(InboundMessage.objects.order_by("id").values_list("status", flat=True)) == [
        "applied",
        "dead",
        "applied",
    ]
    assert queue_client().keys("*:slices") == []


def test_the_worker_never_has_it_whole(queue: InboundQueue) -> None:
    push(LARGE)

    claim = queue.claim(10)

    assert claim is not None
    assert len(claim.messages[0]) * 10 < len(LARGE)
    assert b"".join(queue.slices(claim)) == LARGE


def test_it_comes_back_as_other_claims_do(queue: InboundQueue) -> None:
    push(LARGE)
    claimed = queue.claim(10)  # and the worker dies here
    push(oru())

    again = queue.claim(10)

    assert again == claimed
    assert again is not None
    assert b"".join(queue.slices(again)) == LARGE


def test_it_is_dealt_out_to_no_lane(queue: InboundQueue) -> None:
    taken: list[Claim] = []
    push(LARGE)

    Dealer(queue, 2, lambda _queue, claim: taken.append(claim)).step(10)

    assert [claim.slices > 1 for claim in taken] == [True]


def test_others_learn_of_it_without_its_bytes() -> None:
    push(LARGE)
    drain()

    pushed: Any = queue_client().lindex(keys.DLQ, 0)
    entry = json.loads(pushed)
    assert (entry["error"]["class"], entry["msh10"]) == ("too-large", "A0120")
    assert not any(name.startswith("raw") for name in entry)


def test_its_page_says_how_large_it_is_and_offers_no_replay(client: Client) -> None:
    push(LARGE)
    drain()
    client.force_login(root())

    page = client.get(f"/admin/interconnect/deadletter/{DeadLetter.objects.get().pk}/change/").content.decode()

    assert f"{len(LARGE):,}" in page
    assert "/replay/" not in page


def test_a_look_ahead_brings_no_more_than_a_claim(queue: InboundQueue) -> None:
    push(*[oru() + b"\rZZZ|" + b"x" * 1_000_000] * 10)

    assert sum(map(len, queue.peek(1000))) <= MAX_CLAIM_BYTES


@pytest.mark.slow
def test_lanes_keep_it_between_the_messages_of_its_patient(manage: Callable[..., ManageProcess]) -> None:
    push(adt("A01", "2"), LARGE, oru("2"), oru("3"))

    assert manage("consume_interconnect", "--lanes", "2", "--drain").wait(60) == 0
    sent = InboundMessage.objects.filter(status="applied", message_type="ORU^R01").earliest("id")
    assert bytes(InboundMessage.objects.get(status="dead").raw) == LARGE
    assert InboundMessage.objects.get(status="dead").pk < sent.pk
