"""Several workers side by side: each patient's messages in order, merges between all of them."""

import json
from collections.abc import Callable
from itertools import pairwise

import pytest
from redis.exceptions import RedisError

from epicops import keys
from epicops.redis_client import queue_client
from interconnect.consumer import lanes
from interconnect.consumer.dealing import Dealer
from interconnect.consumer.queue import SUSPICIOUS, Claim, InboundQueue
from interconnect.models import Batch, InboundMessage, Pause
from interconnect.reconciliation import reconcile
from tests.builders import adt, drain, merge, oru, push
from tests.operators import root
from tests.processes import ManageProcess
from vitals.models import Patient

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queue() -> InboundQueue:
    queue = InboundQueue(queue_client(), "owner")
    queue.take_over()
    return queue


def test_a_patient_has_one_lane_and_the_patients_share_them_all() -> None:
    planned = lanes.plan([oru(f"M{number % 50}", minutes=number) for number in range(200)], 4)

    assert set(planned) == {1, 2, 3, 4}
    assert planned[:50] == planned[50:100]


@pytest.mark.parametrize("barrier", [merge("A40", "1", "2"), adt("A17") + b"\r" + adt("A17", "2").split(b"\r", 2)[2]])
def test_what_concerns_two_patients_ends_the_plan(barrier: bytes) -> None:
    assert len(lanes.plan([adt("A01"), oru(), barrier, oru()], 2)) == 2


def test_after_a_merge_both_numbers_have_the_same_lane() -> None:
    push(*(adt("A01", f"M{number}") for number in range(6)), *(merge("A40", "M0", f"M{n}") for n in range(1, 6)))
    drain()

    assert len(set(lanes.plan([oru(f"M{number}") for number in range(6)], 8))) == 1


def test_dealing_out_puts_back_what_is_not_dealt_in_its_order(queue: InboundQueue) -> None:
    push(b"1", b"2", b"3", b"4")
    claim = queue.claim(3)
    assert claim is not None

    lanes.deal(queue, claim, [2])

    client = queue_client()
    assert client.lrange(keys.lane(2), 0, -1) == [b"1"]
    assert client.lrange(keys.QUEUE, 0, -1) == [b"4", b"3", b"2"]
    assert not client.exists(keys.INFLIGHT)


def test_what_stands_alone_stays_in_flight_under_its_batch(queue: InboundQueue) -> None:
    push(b"1", b"2", b"3")
    claim = queue.claim(3)
    assert claim is not None

    lanes.deal(queue, claim, [])

    again = queue.claim(3)
    assert again is not None
    assert (again.id, again.messages) == (claim.id, (b"1",))
    assert queue_client().lrange(keys.QUEUE, 0, -1) == [b"3", b"2"]


@pytest.mark.slow
def test_three_lanes_do_what_one_does(manage: Callable[..., ManageProcess]) -> None:
    sent = [adt("A01", f"M{number}", bed=str(number)) for number in range(20)]
    for number in range(400):
        sent.append(oru(f"M{number % 20}", minutes=number))
        if number % 50 == 25:
            sent.append(merge("A40", f"M{number // 50}", f"M{10 + number // 50}", minutes=number))
    push(*sent)

    worker = manage("consume_interconnect", "--lanes", "3", "--drain")

    assert worker.wait(120) == 0
    assert json.loads(worker.stdout)["applied"] == len(sent)
    messages = list(InboundMessage.objects.order_by("id").select_related("batch"))
    places = {raw: place for place, raw in enumerate(sent)}
    arrived = [places[bytes(message.raw)] for message in messages]
    assert sorted(arrived) == list(range(len(sent)))
    for patient in Patient.objects.all():
        own = [places[bytes(message.raw)] for message in messages if message.patient_id == patient.pk]
        assert all(earlier < later for earlier, later in pairwise(own))
    for at, place in enumerate(arrived):
        if b"ADT^A40" in sent[place]:
            assert set(arrived[:at]) == set(range(place))  # all that came before it, and nothing else
    assert {message.batch.lane for message in messages} == {0, 1, 2, 3}
    assert reconcile(queue_client()).is_balanced


def test_before_the_number_of_lanes_changes_they_are_worked_off() -> None:
    client = queue_client()
    lanes.set_current(client, 3)
    client.lpush(keys.lane(2), oru(minutes=1))
    push(oru(minutes=2))
    drain()

    controls = InboundMessage.objects.order_by("id").values_list("control_id", flat=True)
    assert [control_id[-1] for control_id in controls] == ["1", "2"]
    assert lanes.current(client) == 1


@pytest.mark.parametrize("written", ["many", "0", "-3", "1000000000"])
def test_a_number_of_lanes_that_is_none_stops_nobody(written: str) -> None:
    client = queue_client()
    client.hset(keys.CONTROL, "lanes", written)
    client.lpush(keys.lane(2), oru(minutes=1))
    push(oru(minutes=2))

    drain()

    assert InboundMessage.objects.count() == 2
    assert lanes.current(client) == 1


def test_a_claim_that_was_committed_is_not_dealt_out(queue: InboundQueue) -> None:
    push(oru())
    claim = queue.claim(1)
    assert claim is not None
    Batch.objects.create(id=claim.id, size=1, worker="died before its acknowledgement")

    Dealer(queue, 2, lambda _queue, _claim: None).step(10)

    assert lanes.are_empty(queue_client(), 2)
    assert not queue_client().exists(keys.QUEUE, keys.INFLIGHT)


def test_deaths_at_what_stands_alone_are_counted(queue: InboundQueue) -> None:
    takeovers = []

    def die(_queue: InboundQueue, claim: Claim) -> None:
        takeovers.append(claim.takeovers)
        raise RedisError

    push(merge("A40", "1", "2"))
    for _ in range(3):
        with pytest.raises(RedisError):
            Dealer(queue, 2, die).step(10)

    assert takeovers == [0, 1, 2]


def test_a_claim_that_keeps_coming_back_is_not_read_for_the_lanes(queue: InboundQueue) -> None:
    taken: list[Claim] = []
    push(oru("1"), oru("2"))
    for _ in range(SUSPICIOUS):
        queue.claim(10)  # and whoever reads them dies

    Dealer(queue, 2, lambda _queue, claim: taken.append(claim)).step(10)

    assert [len(claim.messages) for claim in taken] == [2]
    assert lanes.are_empty(queue.client, 2)


def test_what_stands_alone_goes_before_anything_held_is_released(queue: InboundQueue) -> None:
    taken: list[Claim] = []
    dealer = Dealer(queue, 2, lambda _queue, claim: taken.append(claim))
    push(merge("A40", "1", "2"))
    queue.client.lpush(keys.lane(1), oru())
    dealer.step(10)  # waits for the lane

    queue.client.delete(keys.lane(1))

    assert not dealer.rest(wanted=True)
    dealer.step(10)
    assert taken
    assert dealer.rest(wanted=True)


def test_who_rested_does_not_take_the_queue_for_empty(queue: InboundQueue) -> None:
    dealer = Dealer(queue, 2, lambda _queue, _claim: None)
    push(oru())
    dealer.rest(wanted=True)
    dealer.step(10)
    dealer.rest(wanted=False)

    assert dealer.has_work


def test_held_messages_are_released_between_the_lanes(manage: Callable[..., ManageProcess]) -> None:
    Pause.objects.create(scope="type", value="ORU", reason="test", paused_by=root())
    push(oru(minutes=1), oru(minutes=2))
    drain()
    Pause.objects.update(resumed_at="2026-01-01T00:00:00Z")
    push(oru(minutes=3))

    assert manage("consume_interconnect", "--lanes", "2", "--drain").wait(60) == 0
    applied = InboundMessage.objects.filter(status="applied").order_by("id").values_list("control_id", flat=True)
    assert [control_id[-1] for control_id in applied] == ["1", "2", "3"]
