"""AA means safe: on the queue, else in PostgreSQL; nothing overtakes, nothing is applied twice."""

import time

import pytest

from epicops import keys
from epicops.breaker import Breaker
from epicops.embedded.stack import Stack
from epicops.redis_client import queue_client, queue_door_client
from interconnect.models import InboundMessage
from interconnect.wire import inbox
from interconnect.wire.inbox import InboxMessage
from interconnect.wire.intake import Intake
from interconnect.wire.mllp import wrap
from tests.builders import drain, push
from tests.mllp import Listener, message, queued

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def intake() -> Intake:
    return Intake(queue_door_client(), Breaker("queue"))


def waiting() -> list[bytes]:
    return [bytes(raw) for raw in InboxMessage.objects.order_by("id").values_list("raw", flat=True)]


def statuses() -> list[tuple[str, str]]:
    return list(InboundMessage.objects.order_by("id").values_list("control_id", "status"))


def test_the_inbox_takes_over_and_goes_ahead_of_newer_messages(stack: Stack) -> None:
    door = intake()
    door.store([message(1)])
    stack.queue.kill()
    took_over = door.store([message(2), message(3)])
    kept = waiting()

    stack.queue.start()
    time.sleep(1.3)  # until the breaker tries again
    door.store([message(4)])

    assert took_over
    assert kept == [message(2), message(3)]
    assert (queued(), waiting()) == ([message(number) for number in (1, 2, 3, 4)], [])


def test_nothing_overtakes_what_another_process_left_in_the_inbox() -> None:
    door = intake()
    door.store([message(1)])
    inbox.keep([message(2)])  # a listener that died

    door.meet()
    door.store([message(3)])

    assert queued() == [message(1), message(2), message(3)]


def test_a_stalled_queue_costs_one_timeout_and_doubles_nothing() -> None:
    door = intake()
    queue_client().client_pause(10_000, all=False)
    started = time.monotonic()
    stored = [door.store([message(number)]) for number in range(1, 7)]
    seconds = time.monotonic() - started

    queue_client().client_unpause()
    time.sleep(1.3)
    door.store([message(7)])
    drain()

    assert stored == [True] * 6
    assert seconds < 4
    effects = [control_id for control_id, status in statuses() if status != "skipped" or control_id == "00007"]
    assert sorted({control_id for control_id, _ in statuses()}) == [f"{number:05}" for number in range(1, 8)]
    assert len(effects) == len(set(effects))


def test_both_stores_away_is_no_acceptance(stack: Stack) -> None:
    stack.queue.kill()
    stack.postgres.kill()
    away = intake().store([message(1)])
    stack.postgres.start()
    stack.queue.start()

    assert not away


def test_the_queue_alone_is_enough_for_a_process_with_nothing_in_the_inbox(stack: Stack) -> None:
    stack.postgres.kill()
    stored = intake().store([message(1)])
    stack.postgres.start()

    assert (stored, queued()) == (True, [message(1)])


def test_a_queue_that_refuses_writes_is_an_outage() -> None:
    queue_client().config_set("maxmemory", "1")
    try:
        stored = intake().store([message(1)])
    finally:
        queue_client().config_set("maxmemory", "0")

    assert (stored, waiting()) == (True, [message(1)])


def test_without_the_replicas_asked_for_postgresql_keeps_it(settings: object) -> None:
    settings.EPICOPS_QUEUE_REPLICAS = 1  # type: ignore[attr-defined]  # pytest-django's
    door = intake()

    assert door.store([message(1)])
    assert (waiting(), queued()) == ([message(1)], [])


def test_the_worker_empties_the_inbox_without_a_listener() -> None:
    push(message(1))
    inbox.keep([message(number) for number in range(2, 1200)])

    drain()

    assert [control_id for control_id, _ in statuses()] == [f"{number:05}" for number in range(1, 1200)]
    assert waiting() == []


def test_a_slice_of_the_inbox_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "SLICE_BYTES", 10)
    inbox.keep([message(1), message(2)])

    assert inbox.move(queue_client()) == 2
    assert queued() == [message(1), message(2)]


def test_a_silent_sender_waits_until_its_message_is_safe(listener: Listener, stack: Stack) -> None:
    silent = message(1, "|||NE|NE")
    stack.queue.kill()
    stack.postgres.kill()
    sender = listener.connect()
    sender.socket.sendall(wrap(silent))
    listener.process.wait_for("a sender without answers has to wait")

    stack.postgres.start()
    stack.queue.start()

    assert sender.exchange(wrap(message(2))) == [("AA", "00002")]
    assert list(dict.fromkeys([*queued(), *waiting()])) == [silent, message(2)]
    queue_client().delete(keys.QUEUE)
