"""After the queue's server changed, what comes back is not applied again; what is new is."""

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from epicops import keys
from epicops.embedded.stack import Stack
from epicops.redis_client import queue_client
from interconnect.consumer.guard import Guard
from interconnect.consumer.queue import InboundQueue, ServerChanged
from interconnect.models import DeadLetter, InboundMessage, QueueRun
from tests.builders import adt, drain, oru, push
from tests.operators import root

pytestmark = pytest.mark.django_db(transaction=True)

ANONYMOUS = adt("A01").replace(b"|A01004270130|", b"||")  # no control id: duplicates.py lets it pass


def another_server() -> None:
    """As if the row were of a server that is gone: the one at hand is then another one."""
    QueueRun.objects.update(run_id="gone")


def outcomes() -> list[tuple[str, bool]]:
    messages = InboundMessage.objects.order_by("id")
    return [(message.status, message.duplicate_of_id is not None) for message in messages]


def test_what_comes_back_after_a_failover_is_not_applied_again() -> None:
    push(ANONYMOUS)
    drain()
    another_server()
    push(ANONYMOUS)
    drain()

    original, copy = InboundMessage.objects.order_by("id")
    assert (copy.status, copy.duplicate_of) == ("skipped", original)
    assert copy.reason == f"came back after a failover: message {original.pk}"


def test_what_came_twice_before_may_come_back_twice_and_no_more() -> None:
    push(ANONYMOUS, ANONYMOUS)
    drain()
    another_server()
    push(ANONYMOUS, ANONYMOUS, ANONYMOUS)
    drain(2)

    assert [is_copy for _, is_copy in outcomes()] == [False, False, True, True, False]


def test_a_dead_letter_that_comes_back_is_not_a_second_one() -> None:
    push(b"junk")
    drain()
    another_server()
    push(b"junk")
    drain()

    assert DeadLetter.objects.count() == 1


def test_once_the_backlog_is_taken_identical_bytes_are_two_messages_again() -> None:
    push(ANONYMOUS)
    drain()
    another_server()
    push(oru())
    drain()
    push(ANONYMOUS)
    drain()

    assert outcomes() == [("applied", False)] * 3


def test_messages_of_long_before_are_no_matter() -> None:
    push(ANONYMOUS)
    drain()
    InboundMessage.objects.update(applied_at="2026-01-01T00:00:00Z")
    another_server()
    push(ANONYMOUS)
    drain()

    assert outcomes() == [("applied", False)] * 2


def test_guarded_mode_is_on_the_audit_timeline() -> None:
    push(ANONYMOUS)
    drain()
    another_server()
    push(ANONYMOUS, oru())
    drain()

    begin, end = AuditEvent.objects.filter(code__startswith="queue.guard").order_by("id")
    assert (begin.code, begin.detail["backlog"]) == ("queue.guard.begin", 2)
    assert (end.code, end.detail) == ("queue.guard.end", {"recognised": 1})


def test_a_claim_notices_that_the_server_was_restarted(stack: Stack) -> None:
    queue = InboundQueue(queue_client(), "owner")
    queue.take_over()
    stack.queue.kill()
    stack.queue.start()

    with pytest.raises(ServerChanged):
        queue.claim(1)


def test_how_far_a_server_was_is_not_noted_of_another_one(stack: Stack) -> None:
    client = queue_client()
    guard = Guard(client, "worker", client.info("server")["run_id"])
    QueueRun.objects.update(offset=17)
    stack.queue.kill()
    stack.queue.start()

    with pytest.raises(ServerChanged):
        guard.note()
    assert QueueRun.objects.get().offset == 17


def test_of_several_lanes_one_ends_guarded_mode() -> None:
    client = queue_client()
    run_id = client.info("server")["run_id"]
    Guard(client, "lane 0", run_id)
    QueueRun.objects.update(unchecked=1)
    one, other = (Guard(client, f"lane {number}", run_id, number) for number in (1, 2))

    one.passed(1, 0)
    other.passed(1, 0)

    assert AuditEvent.objects.filter(code="queue.guard.end").count() == 1


def test_guarded_mode_survives_the_worker(stack: Stack) -> None:
    push(oru())
    drain()
    another_server()
    push(oru(), oru())
    client = queue_client()
    run_id = client.info("server")["run_id"]

    Guard(client, "died", run_id)

    assert Guard(client, "next", run_id).run.unchecked == 2


def test_a_worker_goes_on_after_a_restart_of_the_server(stack: Stack) -> None:
    push(oru())
    drain()
    push(oru(minutes=2))
    stack.queue.kill()
    stack.queue.start()
    drain()

    assert [status for status, _ in outcomes()] == ["applied", "applied"]
    assert QueueRun.objects.count() == 2
    assert not queue_client().exists(keys.INFLIGHT)


def test_the_page_shows_what_came_back(client: Client) -> None:
    push(ANONYMOUS)
    drain()
    another_server()
    push(ANONYMOUS)
    drain()
    client.force_login(root())

    page = client.get(reverse("admin:interconnect_queuerun_changelist"))

    assert [run.recognised for run in page.context["cl"].result_list] == [1, 0]
