"""What is read ahead is only used for the bytes it was made of, under the codes of their time."""

from collections.abc import Iterator

import pytest
from django.db import connection

from epicops import keys
from epicops.meanwhile import meanwhile
from epicops.redis_client import queue_client
from interconnect.consumer.queue import InboundQueue
from interconnect.consumer.read_ahead import ReadAhead
from interconnect.models import InboundMessage
from tests.builders import adt, drain, oru, push
from vitals.codes import NO_LOCAL_CODES, Meaning
from vitals.events import VitalsMeasured

pytestmark = pytest.mark.django_db(transaction=True)

ADMISSION, VITALS, LATER = adt("A01"), oru(), oru(minutes=2)
LOCAL = VITALS.replace(b"8867-4^hr^LN", b"HR^hr^99LOCAL")


@pytest.fixture
def ahead() -> ReadAhead:
    """What was read ahead beside a claim of two messages, when two others were waiting."""
    push(adt("A08"), adt("A08", minutes=1), ADMISSION, LOCAL)
    queue = InboundQueue(queue_client(), "owner")
    queue.take_over()
    claim = queue.claim(2)
    assert claim is not None
    found = ReadAhead()
    assert len(list(found.steps(queue, claim, 2, NO_LOCAL_CODES))) == 2
    assert queue_client().llen(keys.QUEUE) == 2
    return found


def events(ahead: ReadAhead, *messages: bytes) -> list[object]:
    return [delivery.events for delivery in ahead.deliveries(messages, NO_LOCAL_CODES)]


def test_a_reading_is_used_once(ahead: ReadAhead) -> None:
    first = ahead._readings[0]

    assert ahead.deliveries([ADMISSION], NO_LOCAL_CODES)[0] is first
    assert ahead.deliveries([ADMISSION], NO_LOCAL_CODES)[0] is not first


def test_other_messages_than_expected_are_read_when_they_come(ahead: ReadAhead) -> None:
    assert events(ahead, VITALS, LATER, ADMISSION) == events(ReadAhead(), VITALS, LATER, ADMISSION)


def test_a_code_that_was_mapped_in_between_counts(ahead: ReadAhead) -> None:
    codes = {("HR", "99LOCAL"): Meaning("hr")}

    _, delivery = ahead.deliveries([ADMISSION, LOCAL], codes)
    assert isinstance(delivery.events[0], VitalsMeasured)
    assert [sign.vital for sign in delivery.events[0].signs] == ["hr"]


def test_a_backlog_is_applied_in_its_order() -> None:
    messages = [adt("A08", minutes=number) for number in range(23)]
    push(*messages)
    drain(size=5)

    assert [bytes(m.raw) for m in InboundMessage.objects.order_by("id")] == messages


def test_steps_are_taken_while_the_database_works() -> None:
    taken = []

    def steps() -> Iterator[None]:
        for number in range(1_000_000):
            taken.append(number)
            yield

    with meanwhile(connection, steps()), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.1), 42")
        assert cursor.fetchone()[1] == 42

    during = len(taken)
    assert during > 100
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.01)")
    assert len(taken) == during
