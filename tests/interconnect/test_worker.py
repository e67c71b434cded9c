"""From the list to PostgreSQL, once, in order, whatever is on the list."""

import json
import os
import threading
import time
from unittest.mock import ANY

import pytest
from django.db import connection

from audit.models import AuditEvent
from epicops import keys
from epicops.embedded.stack import Stack
from epicops.redis_client import queue_client
from interconnect.consumer.queue import InboundQueue
from interconnect.models import Batch, DeadLetter, InboundMessage
from interconnect.status import counts
from sessions_app.models import User
from tests.builders import adt, drain, oru, push
from vitals.models import Observation, Stay

pytestmark = pytest.mark.django_db(transaction=True)


def statuses() -> list[tuple[str, str]]:
    return list(InboundMessage.objects.order_by("id").values_list("message_type", "status"))


def test_messages_are_applied_in_the_order_they_were_pushed() -> None:
    push(adt("A01"), oru(), adt("A03", minutes=5))
    drain()

    assert statuses() == [("ADT^A01", "applied"), ("ORU^R01", "applied"), ("ADT^A03", "applied")]


def test_an_unknown_event_is_kept_and_skipped() -> None:
    push(adt("A60"))
    drain()

    message = InboundMessage.objects.get()
    assert (message.status, message.reason) == ("skipped", "no handler for this event")


def test_two_identical_pushes_are_two_messages_with_one_effect() -> None:
    push(oru(), oru())
    drain()

    assert (InboundMessage.objects.count(), Observation.objects.count()) == (2, 1)


def test_a_bad_message_is_a_dead_letter_and_the_rest_of_its_batch_goes_on() -> None:
    push(adt("A01"), adt("A01", "2").replace(b"\rPID", b"\rZID"), oru())
    drain()

    letter = DeadLetter.objects.get()
    assert [status for _, status in statuses()] == ["applied", "dead", "applied"]
    assert (letter.error_class, letter.error_path, letter.state) == ("missing-segment", "PID", "open")


def test_a_dead_letter_is_on_the_list_once_and_can_be_read_there() -> None:
    bad = adt("A01").replace(b"\rPID", b"\rZID")
    push(bad)
    drain()
    drain()

    entries = [json.loads(entry) for entry in queue_client().lrange(keys.DLQ, 0, -1)]
    assert entries == [
        {
            "v": 1,
            "id": DeadLetter.objects.get().pk,
            "raw": bad.decode(),
            "error": {"class": "missing-segment", "code": "100", "path": "PID", "message": ANY},
            "msh10": "A01004270130",
            "type": "ADT^A01",
            "failed_at": ANY,
            "replay_of": None,
        }
    ]


@pytest.mark.parametrize(
    ("raw", "error_class"),
    [
        (b"", "not-hl7"),
        (b"hello", "not-hl7"),
        (b"\0" * 50, "not-hl7"),
        (b"\xff\xfe\xfa\xfb" * 9, "bad-charset"),
        (os.urandom(5_000_000), "not-hl7"),
        (adt("A01") + b"\rZZZ|1" * 100_000, "too-many-segments"),
        (adt("A01").replace(b"Amaka", b"\0"), "nul-byte"),
        (adt("A01").replace(b"Amaka", b"\xff\xfe"), "bad-charset"),
        (adt("A01").replace(b"EVN|A01|2026", b"EVN|A01|26x"), "bad-timestamp"),
        (adt("A01", bed=""), "missing-field"),
        (adt("A01", bed="", visit="\\.sp99\\" * 1100), "missing-field"),  # a value that would grow
        (oru(hr="n/a"), "not-a-number"),
        (oru(hr="1e99"), "not-a-number"),
        (oru(hr="NaN"), "not-a-number"),
        (oru(hr="9" * 40), "out-of-range"),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else str(value),
)
def test_anything_on_the_list_ends_as_a_row_with_a_reason(raw: bytes, error_class: str) -> None:
    push(raw, adt("A01", "after"))
    drain()

    message = InboundMessage.objects.order_by("id")[0]
    assert bytes(message.raw) == raw
    assert InboundMessage.objects.count() == 2
    assert DeadLetter.objects.get().message == message
    assert DeadLetter.objects.get().error_class == error_class


def test_a_row_the_database_refuses_is_found_and_the_others_are_applied() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE vitals_observation ADD CONSTRAINT no_77 CHECK (value <> 77)")
    try:
        push(*(oru(f"M{number}", hr=70 + number) for number in range(15)))
        drain()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE vitals_observation DROP CONSTRAINT no_77")

    letter = DeadLetter.objects.get()
    assert (letter.error_class, letter.message.ordinal) == ("internal-error", 7)
    assert Observation.objects.count() == 14


def test_a_batch_that_was_committed_is_only_acknowledged() -> None:
    push(oru(hr=1))
    queue = InboundQueue(queue_client(), "before the crash")
    queue.take_over()
    claim = queue.claim(10)
    assert claim is not None
    Batch.objects.create(id=claim.id, size=1, worker="before the crash")  # as if its commit was the last it did

    tally = drain().tally

    assert (tally["redelivered"], InboundMessage.objects.count()) == (1, 0)
    assert not queue_client().exists(keys.INFLIGHT)


def test_the_counts_add_up_to_everything_pushed() -> None:
    push(adt("A01"), adt("A60"), b"junk")
    drain()
    push(oru())

    assert counts(queue_client()) == {
        "inbox": 0,
        "queue": 1,
        "inflight": 0,
        "applied": 1,
        "skipped": 1,
        "dead": 1,
        "held": 0,
        "dead_letters": 1,
        "discarded": 0,
        "dlq": 1,
    }


def test_every_message_has_an_audit_event_without_patient_data() -> None:
    push(adt("A01"), b"junk")
    drain()

    events = AuditEvent.objects.filter(object_type="inboundmessage").order_by("id")
    assert [event.code for event in events] == ["message.applied", "message.dead"]
    assert "Okafor" not in str(list(events.values()))


@pytest.fixture
def olu() -> User:
    return User.objects.create_user("olu", role=User.Role.OPERATOR)


def test_a_replay_is_a_new_delivery_linked_to_the_first(olu: User) -> None:
    push(adt("A01").replace(b"\rPID", b"\rZID"))
    drain()
    original = InboundMessage.objects.get()
    DeadLetter.objects.request_replay(by=olu)
    drain()

    replay = InboundMessage.objects.get(replay_of=original)
    assert replay.status == "dead"
    assert DeadLetter.objects.get(message=original).state == "failed"
    assert DeadLetter.objects.get(message=replay).state == "open"


def test_a_replay_that_succeeds_resolves_the_dead_letter(olu: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE vitals_stay ADD CONSTRAINT no_beds CHECK (bed_id < 0)")
    push(adt("A01"))
    drain()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE vitals_stay DROP CONSTRAINT no_beds")

    DeadLetter.objects.request_replay(by=olu)
    drain()

    assert DeadLetter.objects.get().state == "resolved"
    assert Stay.objects.count() == 1


def test_the_worker_waits_for_redis_and_goes_on(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    push(oru())
    stack.queue.kill()
    waited: list[float] = []

    def restart_on_third_try(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            stack.queue.start()

    monkeypatch.setattr(time, "sleep", restart_on_third_try)
    drain()

    assert InboundMessage.objects.get().status == "applied"


def test_a_standby_of_postgresql_that_only_reads_is_waited_for() -> None:
    def make_it(state: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            name = connection.settings_dict["NAME"]
            cursor.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {state}')
        connection.close()

    push(oru())
    make_it("on")
    promotion = threading.Timer(0.5, make_it, ["off"])
    promotion.start()
    drain()
    promotion.join()

    assert statuses() == [("ORU^R01", "applied")]


def test_an_outage_of_the_database_fills_no_dead_letters(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    push(oru())
    stack.postgres.kill()
    waited: list[float] = []

    def restart_on_third_try(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            stack.postgres.start()

    monkeypatch.setattr(time, "sleep", restart_on_third_try)
    drain()

    assert (InboundMessage.objects.count(), DeadLetter.objects.count()) == (1, 0)
