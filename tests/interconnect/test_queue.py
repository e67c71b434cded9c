"""The claim protocol, on a real server."""

import threading
import time
import uuid

import pytest
from redis import crc

from epicops import keys
from epicops.redis_client import queue_client
from interconnect.consumer import queue as inbound
from interconnect.consumer.queue import Fenced, InboundQueue, Paused, uuid7
from interconnect.reconciliation import look
from tests.builders import push


@pytest.fixture
def queue() -> InboundQueue:
    queue = InboundQueue(queue_client(), "owner")
    queue.take_over()
    return queue


def test_messages_come_oldest_first(queue: InboundQueue) -> None:
    push(b"first", b"second")
    push(b"third")

    claim = queue.claim(10)

    assert claim is not None
    assert claim.messages == (b"first", b"second", b"third")


def test_an_empty_queue_gives_nothing(queue: InboundQueue) -> None:
    assert queue.claim(10) is None


def test_waiting_ends_with_a_push_and_takes_nothing(queue: InboundQueue) -> None:
    sender = threading.Timer(0.1, push, (b"first", b"second"))
    sender.start()
    started = time.monotonic()
    queue.wait(20)
    sender.join()

    assert time.monotonic() - started < 10
    assert queue_client().lrange(keys.QUEUE, 0, -1) == [b"second", b"first"]


def test_a_claimed_batch_survives_a_crash(queue: InboundQueue) -> None:
    push(b"first", b"second")
    claimed = queue.claim(10)  # and the worker dies here
    push(b"third")

    assert queue.claim(10) == claimed


def test_the_next_batch_comes_after_the_acknowledgement(queue: InboundQueue) -> None:
    push(b"first", b"second", b"third")
    claimed = queue.claim(2)
    assert claimed is not None
    assert queue.acknowledge(claimed)

    following = queue.claim(2)

    assert following is not None
    assert following.messages == (b"third",)


def test_an_old_acknowledgement_forgets_nothing(queue: InboundQueue) -> None:
    push(b"first", b"second")
    old = queue.claim(1)
    assert old is not None
    queue.acknowledge(old)
    current = queue.claim(1)

    assert not queue.acknowledge(old)
    assert queue.claim(1) == current


def test_a_zombie_is_fenced_once_another_owner_took_over(queue: InboundQueue) -> None:
    push(b"first")
    InboundQueue(queue_client(), "successor").take_over()

    with pytest.raises(Fenced):
        queue.claim(1)


def test_a_paused_queue_still_gives_back_what_was_claimed(queue: InboundQueue) -> None:
    push(b"first", b"second")
    unfinished = queue.claim(1)
    queue_client().hset(keys.CONTROL, "paused", "0")

    assert queue.claim(1) == unfinished


def test_a_paused_queue_gives_nothing_new(queue: InboundQueue) -> None:
    push(b"first")
    queue_client().hset(keys.CONTROL, "paused", "0")

    with pytest.raises(Paused):
        queue.claim(1)


def test_a_pause_that_is_over_stops_nothing(queue: InboundQueue) -> None:
    push(b"first")
    queue_client().hset(keys.CONTROL, "paused", str(int(time.time()) - 1))

    assert queue.claim(1) is not None


def test_a_claim_stops_at_the_byte_limit_and_keeps_the_order(
    queue: InboundQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound, "MAX_CLAIM_BYTES", 10)
    push(b"a" * 6, b"b" * 6, b"c" * 30)

    taken = []
    while (claim := queue.claim(10)) is not None:
        taken.append(claim.messages)
        queue.acknowledge(claim)

    assert taken == [(b"a" * 6,), (b"b" * 6,), (b"c" * 30,)]


def test_an_empty_element_is_a_message(queue: InboundQueue) -> None:
    push(b"")

    claim = queue.claim(1)

    assert claim is not None
    assert claim.messages == (b"",)


def test_takeovers_are_counted_until_the_batch_is_done(queue: InboundQueue) -> None:
    push(b"first")
    claim = queue.claim(1)
    assert claim is not None
    queue.claim(1)
    counted = queue_client().hget(keys.TAKEOVERS, str(claim.id))
    queue.acknowledge(claim)

    assert counted == b"1"
    assert not queue_client().exists(keys.TAKEOVERS)


def test_the_helper_keys_share_the_wire_keys_cluster_slot() -> None:
    slots = {crc.key_slot(key.encode()) for key in (keys.QUEUE, keys.INFLIGHT, keys.CONTROL, keys.TAKEOVERS)}

    assert len(slots) == 1


def test_batch_ids_are_version_7_and_ordered_by_time() -> None:
    ids = [uuid7() for _ in range(50)]

    assert {(made.version, made.variant) for made in ids} == {(7, uuid.RFC_4122)}
    assert [made.int >> 80 for made in ids] == sorted(made.int >> 80 for made in ids)


@pytest.mark.parametrize("field", ["left", "pushed", "vanished"])
def test_an_account_that_somebody_wrote_into_begins_anew(queue: InboundQueue, field: str) -> None:
    push(b"first")
    queue.claim(1)
    queue_client().delete(keys.inflight(0))
    queue_client().hset(keys.CONTROL, field, "x")
    push(b"second")

    look(queue_client())
    assert queue.claim(1) is not None
    assert look(queue_client()).pushed == 1


@pytest.mark.parametrize("held", ["x", "{", "[1]", '[[1, "type"]]', "7"])
def test_what_is_held_and_cannot_be_read_is_asked_for_again(queue: InboundQueue, held: str) -> None:
    push(b"first")
    queue_client().hset(keys.CONTROL, "held", held)

    with pytest.raises(Fenced):
        queue.claim(1)

    queue_client().hdel(keys.CONTROL, "held")
    assert queue.claim(1) is not None
