"""Stopping the queue, a type or a facility: what waits, what goes on, and in which order it goes on afterwards."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone

from audit.models import AuditEvent
from epicops import keys
from epicops.redis_client import queue_client
from interconnect.consumer import queue
from interconnect.consumer.inflight import suspect
from interconnect.consumer.pausing import is_drained, pause, released, resume
from interconnect.consumer.queue import InboundQueue
from interconnect.dlq.dead_letters import requested_replays
from interconnect.models import DeadLetter, InboundMessage, Pause
from sessions_app.models import User
from tests.builders import adt, drain, oru, push

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def olu() -> User:
    return User.objects.create_superuser("olu")


def stop(by: User, scope: str = "queue", value: str = "", **fields: object) -> Pause:
    return pause(Pause(scope=scope, value=value, reason="the lab sends nonsense", **fields), by=by)


def outcomes() -> list[tuple[str, str]]:
    return list(InboundMessage.objects.order_by("id").values_list("message_type", "status"))


def test_a_paused_queue_keeps_its_messages_until_it_is_resumed(olu: User) -> None:
    stop(olu)
    push(oru())
    drain()
    while_paused = queue_client().llen(keys.QUEUE)
    resume(Pause.objects.all(), by=olu)
    drain()

    assert while_paused == 1
    assert outcomes() == [("ORU^R01", "applied")]


def test_a_paused_queue_goes_on_by_itself_when_its_time_is_over(olu: User) -> None:
    stop(olu, until=timezone.now() - timedelta(seconds=1))
    push(oru())
    drain()

    assert outcomes() == [("ORU^R01", "applied")]


@pytest.mark.parametrize(("scope", "value"), [("type", "ORU^R01"), ("type", "ORU"), ("facility", "LAB")])
def test_what_is_paused_is_held_and_the_rest_goes_on(olu: User, scope: str, value: str) -> None:
    stop(olu, scope, value)
    push(adt("A01"), oru().replace(b"|EPICOPS|", b"|LAB|", 1))
    drain()

    assert outcomes() == [("ADT^A01", "applied"), ("ORU^R01", "held")]


def test_held_messages_are_applied_in_their_order_before_newer_ones(olu: User) -> None:
    stop(olu, "type", "ORU")
    push(*(oru(minutes=number) for number in range(1, 6)))
    drain(2)
    resume(Pause.objects.all(), by=olu)
    push(oru(minutes=9))
    drain(2)

    applied = InboundMessage.objects.filter(status="applied").order_by("id").values_list("control_id", flat=True)
    assert [int(control_id[-1]) for control_id in applied] == [1, 2, 3, 4, 5, 9]


def test_what_was_put_aside_in_flight_is_not_held(olu: User) -> None:
    stop(olu, "type", "ORU")
    drain()
    push(oru())
    owner = InboundQueue(queue_client(), "died")
    owner.take_over()
    claim = owner.claim(1)
    assert claim
    assert suspect(queue_client(), claim.id, 0)
    drain()

    assert outcomes() == [("ORU^R01", "dead")]


def test_what_is_held_or_replayed_is_delivered_as_far_as_it_fits_into_memory(
    olu: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(olu, "type", "ORU")
    push(*(oru(minutes=number) for number in range(3)), b"junk 1", b"junk 2")
    drain()
    resume(Pause.objects.all(), by=olu)
    DeadLetter.objects.all().request_replay(by=olu)

    monkeypatch.setattr(queue, "MAX_CLAIM_BYTES", 2 * len(oru()))

    assert [len(released(10)), len(requested_replays(10))] == [2, 2]
    monkeypatch.setattr(queue, "MAX_CLAIM_BYTES", 1)
    assert [len(released(10)), len(requested_replays(10))] == [1, 1]


def test_a_pause_is_settled_once_nothing_is_held(olu: User) -> None:
    stop(olu, "type", "ORU")
    push(oru())
    drain()
    resume(Pause.objects.all(), by=olu)
    drain()

    assert Pause.objects.get().settled_at
    assert not queue_client().hexists(keys.CONTROL, "held")


def test_what_another_pause_holds_too_stays_held(olu: User) -> None:
    stop(olu, "type", "ORU")
    other = stop(olu, "facility", "EPICOPS")
    push(oru())
    drain()
    resume(Pause.objects.filter(scope="type"), by=olu)
    drain()

    assert outcomes() == [("ORU^R01", "held")]
    assert InboundMessage.objects.get().pause == other


def test_a_repeated_message_is_held_twice_and_applied_once(olu: User) -> None:
    stop(olu, "type", "ORU")
    push(oru(), oru())
    drain()
    resume(Pause.objects.all(), by=olu)
    drain()

    assert [status for _, status in outcomes()] == ["released", "released", "applied", "skipped"]


def test_a_pause_survives_the_loss_of_redis(olu: User) -> None:
    stop(olu)
    drain()
    queue_client().flushall()
    push(oru())
    drain()

    assert queue_client().llen(keys.QUEUE) == 1


@pytest.mark.parametrize(("scope", "value"), [("queue", "ORU"), ("type", ""), ("facility", "")])
def test_a_pause_says_what_it_stops(olu: User, scope: str, value: str) -> None:
    with pytest.raises(ValidationError, match="Name a type or facility"):
        stop(olu, scope, value)


def test_pausing_and_resuming_are_audited(olu: User) -> None:
    stop(olu, "type", "ORU")
    resume(Pause.objects.all(), by=olu)

    assert list(AuditEvent.objects.order_by("id").values_list("code", "actor")) == [
        ("queue.pause", "olu"),
        ("queue.resume", "olu"),
    ]


def test_the_commands_pause_and_resume(olu: User) -> None:
    out = StringIO()
    call_command("pause_interconnect", "type", "ORU", "--reason", "test", "--by", "olu", "--minutes", "5", stdout=out)
    paused = Pause.objects.in_force().get()
    call_command("resume_interconnect", str(paused.pk), "--by", "olu", stdout=out)

    assert (paused.value, paused.until is None) == ("ORU", False)
    assert out.getvalue() == f"{paused.pk}\n1 resumed\n"


@pytest.mark.parametrize("wrong", ["queue --drain 0", "type ORU --drain 5"])
def test_who_asks_for_a_drained_queue_never_hears_of_one_that_is_not(olu: User, wrong: str) -> None:
    with pytest.raises(CommandError, match=r"in flight|goes with queue"):
        call_command("pause_interconnect", *wrong.split(), "--reason", "test", "--by", "olu")


@pytest.mark.parametrize("lane", [0, 2])
def test_a_queue_is_not_drained_while_a_lane_has_a_claim_in_flight(lane: int) -> None:
    client = queue_client()
    client.hset(keys.CONTROL, mapping={"paused": 0, "lanes": 2})
    client.rpush(keys.inflight(lane), "batch", "message")

    while_in_flight = is_drained(client)
    client.delete(keys.inflight(lane))

    assert (while_in_flight, is_drained(client)) == (False, True)


def test_nobody_pauses_without_the_permission() -> None:
    User.objects.create_user("ben")

    with pytest.raises(CommandError, match="may pause"):
        call_command("pause_interconnect", "queue", "--reason", "test", "--by", "ben")
