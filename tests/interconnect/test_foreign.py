"""What others put on interconnect:dlq."""

import json

import pytest

from epicops import keys
from epicops.redis_client import queue_client
from interconnect.dlq import foreign
from interconnect.models import DeadLetter, InboundMessage
from tests.builders import adt, drain, push

pytestmark = pytest.mark.django_db(transaction=True)


def listed() -> list[int]:
    return [json.loads(entry)["id"] for entry in queue_client().lrange(keys.DLQ, 0, -1)]


@pytest.mark.parametrize("raw", [b"FAILED: Invalid message", adt("A01"), b"", b"\xff{", b'{"raw": "MSH|"}'])
def test_what_another_system_put_on_the_list_is_a_dead_letter(raw: bytes) -> None:
    queue_client().lpush(keys.DLQ, raw)
    drain()

    letter = DeadLetter.objects.get()
    assert (letter.error_class, bytes(letter.message.raw)) == ("failed-elsewhere", raw)
    assert listed() == [letter.pk]


def test_our_own_entries_stay_as_they_are() -> None:
    push(b"junk")
    drain()
    drain()

    assert DeadLetter.objects.count() == 1
    assert listed() == [DeadLetter.objects.get().pk]


def test_others_entries_between_ours_are_taken_in_their_order() -> None:
    push(b"junk")
    drain()
    queue_client().lpush(keys.DLQ, "first", "second")
    queue_client().rpush(keys.DLQ, "third, from the other side")
    drain()

    raws = [bytes(raw) for raw in InboundMessage.objects.order_by("id").values_list("raw", flat=True)]
    assert raws == [b"junk", b"third, from the other side", b"first", b"second"]
    assert sorted(listed()) == sorted(DeadLetter.objects.values_list("pk", flat=True))


def test_a_crash_before_the_entries_are_forgotten_makes_no_second_row() -> None:
    queue_client().lpush(keys.DLQ, "FAILED: Invalid message")
    foreign.Foreign(queue_client()).take()
    drain()
    queue_client().lpush(keys.DLQ, "FAILED: Invalid message")
    claim = foreign.Foreign(queue_client()).take()
    assert claim is not None
    queue_client().lpush(keys.DLQ, "came after the crash")
    again = foreign.Foreign(queue_client()).take()
    drain()

    assert again == claim
    assert InboundMessage.objects.count() == 3


def test_what_lies_under_any_number_of_our_own_entries_is_found_too() -> None:
    ours = foreign.OURS + "7}"
    queue_client().rpush(keys.DLQ, *[ours] * 1100, "theirs", *[ours] * 1100)
    finder = foreign.Foreign(queue_client())

    found = [finder.take() for _ in range(10)]

    assert [claim.messages for claim in found if claim] == [(b"theirs",)] * 7  # until it is forgotten
