import pytest

from interconnect.models import DeadLetter, Feed, InboundMessage
from tests.builders import adt, drain, oru, push
from vitals.models import Movement, Observation

pytestmark = pytest.mark.django_db(transaction=True)


def outcomes() -> list[tuple[str, str]]:
    return list(InboundMessage.objects.order_by("id").values_list("status", "reason"))


@pytest.mark.parametrize("batch", [1, 10])
def test_a_message_sent_again_is_a_row_and_no_second_effect(batch: int) -> None:
    push(adt("A01"), adt("A01"))
    drain(batch)

    original, copy = InboundMessage.objects.order_by("id")
    assert outcomes() == [("applied", ""), ("skipped", f"duplicate of message {original.pk}")]
    assert (original.duplicate_of, copy.duplicate_of) == (None, original)
    assert Movement.objects.count() == 1


@pytest.mark.parametrize("batch", [1, 10])
def test_a_control_id_used_again_for_other_content_is_applied_and_flagged(batch: int) -> None:
    first = oru(hr=71)
    second = first.replace(b"||71|", b"||72|").replace(b"|R01", b"|R01", 1)
    push(first, second)
    drain(batch)

    assert outcomes() == [("applied", ""), ("applied", "control ID reused with other content")]
    assert Observation.objects.filter(value=72).exists()


def test_another_sender_with_the_same_control_id_is_another_message() -> None:
    push(adt("A01"), adt("A01").replace(b"|EPIC|EPICOPS|", b"|LAB|EPICOPS|", 1))
    drain()

    assert outcomes() == [("applied", ""), ("applied", "")]


def test_messages_without_a_control_id_are_never_duplicates() -> None:
    anonymous = adt("A01").replace(b"|A01004270130|", b"||")
    push(anonymous, anonymous)
    drain()

    assert outcomes() == [("applied", ""), ("applied", "")]


def test_what_could_not_be_applied_may_come_again() -> None:
    bad = adt("A01").replace(b"\rPID", b"\rZID")
    push(bad)
    drain()
    push(bad)
    drain()

    assert DeadLetter.objects.count() == 2


def test_a_feed_counts_what_came_and_what_came_again() -> None:
    push(oru(), oru(), oru().replace(b"||78|", b"||79|"), adt("A01"))
    drain()

    feed = Feed.objects.get(application="MONITOR")
    assert (feed.messages, feed.duplicates, feed.reused) == (3, 1, 1)
    assert feed.hours.get().messages == 3
