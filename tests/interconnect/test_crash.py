"""Worker processes, real signals."""

import json
import time
from collections.abc import Callable

import pytest

from epicops import keys
from epicops.redis_client import queue_client
from interconnect.models import InboundMessage
from tests.builders import oru, push
from tests.processes import ManageProcess
from tests.waiting import until

Manage = Callable[..., ManageProcess]

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def push_numbered(count: int) -> list[str]:
    messages = [oru(f"P{number % 500}", minutes=number) for number in range(count)]
    for start in range(0, count, 1000):
        push(*messages[start : start + 1000])
    return [f"R01P{number % 500}{number}" for number in range(count)]


def applied() -> list[str]:
    return list(InboundMessage.objects.order_by("id").values_list("control_id", flat=True))


def test_drain_ends_with_one_json_line(manage: Manage) -> None:
    push(oru(), b"junk")
    worker = manage("consume_interconnect", "--drain")

    assert worker.wait() == 0
    summary = json.loads(worker.stdout)
    assert (summary["applied"], summary["skipped"], summary["dead"]) == (1, 0, 1)


def test_sigterm_ends_an_idle_worker(manage: Manage) -> None:
    worker = manage("consume_interconnect")
    worker.wait_for("queue owned")

    assert worker.stop(5) == 0


def test_sigterm_in_the_middle_finishes_the_batch_at_hand(manage: Manage) -> None:
    push_numbered(5000)
    worker = manage("consume_interconnect")
    until(lambda: InboundMessage.objects.count() > 400)

    assert worker.stop() == 0
    assert not queue_client().exists(keys.INFLIGHT)
    assert InboundMessage.objects.count() + queue_client().llen(keys.QUEUE) == 5000


def test_kill_9_in_the_middle_of_20000_messages_loses_and_repeats_none(manage: Manage) -> None:
    pushed = push_numbered(20_000)
    for share in (0.1, 0.4, 0.7):
        worker = manage("consume_interconnect")
        until(lambda share=share: InboundMessage.objects.count() > share * len(pushed))  # type: ignore[misc]
        worker.kill()

    assert manage("consume_interconnect", "--drain").wait(120) == 0
    assert applied() == pushed


def test_a_standby_takes_over_when_the_owner_is_killed(manage: Manage) -> None:
    owner = manage("consume_interconnect")
    owner.wait_for("queue owned")
    standby = manage("consume_interconnect")
    time.sleep(1.5)
    assert "queue owned" not in standby.stderr

    owner.kill()
    push(oru())

    standby.wait_for("queue owned", 5)
    until(lambda: InboundMessage.objects.count() == 1, 5)


def test_a_standby_stops_at_sigterm(manage: Manage) -> None:
    manage("consume_interconnect").wait_for("queue owned")
    standby = manage("consume_interconnect")
    standby.wait_for("standing by")

    assert standby.stop(5) == 0
