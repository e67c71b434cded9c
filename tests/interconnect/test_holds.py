"""Holding one patient's messages: what waits, what goes on, and that each is applied once and in order afterwards."""

import os
import random
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEvent
from epicops import keys
from epicops.redis_client import queue_client
from interconnect.consumer.pausing import pause, resume
from interconnect.models import DeadLetter, InboundMessage, Pause
from sessions_app.models import User
from tests.builders import adt, drain, merge, oru, push
from tests.operators import VIEW, staff
from tests.processes import ManageProcess
from vitals.models import Visit

pytestmark = pytest.mark.django_db(transaction=True)

KILLS = int(os.environ.get("HOLD_KILLS", "2"))
Manage = Callable[..., ManageProcess]


@pytest.fixture
def sam(transactional_db: None) -> User:
    return staff("sam", *VIEW, "add_pause", "resume_pause", "view_pause", "view_batch", "replay_deadletter")


def hold(by: User, message: InboundMessage, minutes: float = 5) -> Pause:
    until = timezone.now() + timedelta(minutes=minutes)
    return pause(Pause(scope="patient", message=message, reason="bed is wrong", until=until), by=by)


def failed_admission() -> InboundMessage:
    """One whose patient is not known yet."""
    push(adt("A01", bed=""))
    drain()
    return DeadLetter.objects.get().message


def outcomes() -> list[tuple[str, str]]:
    return list(InboundMessage.objects.order_by("id").values_list("message_type", "status"))


def applied() -> list[str]:
    rows = InboundMessage.objects.filter(status="applied").order_by("id")
    return list(rows.values_list("control_id", flat=True))


def test_later_messages_of_the_patient_wait_and_those_of_others_do_not(sam: User) -> None:
    hold(sam, failed_admission())
    push(oru(), oru("2"), adt("A02"))
    drain()

    assert outcomes()[1:] == [("ORU^R01", "held"), ("ORU^R01", "applied"), ("ADT^A02", "held")]


def test_a_merge_with_the_patient_waits_too(sam: User) -> None:
    hold(sam, failed_admission())
    push(merge("A40", "2", "00427013"))
    drain()

    assert outcomes()[1:] == [("ADT^A40", "held")]


def test_a_known_patient_is_held_by_every_number_they_have(sam: User) -> None:
    push(adt("A01"), merge("A40", "00427013", "old"), adt("A02", bed="", minutes=2))
    drain()
    hold(sam, DeadLetter.objects.get().message)
    by_visit = oru(hr=90).replace(b"PID|1||00427013^^^EPIC^MR", b"PID|1|\rPV1|1|I" + b"|" * 17 + b"V00427013")
    push(oru("old"), by_visit)
    drain()

    assert [status for _, status in outcomes()[-2:]] == ["held", "held"]


def test_they_are_applied_in_order_and_before_newer_ones_once_released(sam: User) -> None:
    hold(sam, failed_admission())
    push(*(oru(minutes=number) for number in range(1, 6)))
    drain(2)
    resume(Pause.objects.all(), by=sam)
    push(oru(minutes=9))
    drain(2)

    assert [int(control_id[-1]) for control_id in applied()] == [1, 2, 3, 4, 5, 9]
    assert Pause.objects.get().settled_at


def test_they_are_applied_when_its_time_is_over(sam: User) -> None:
    begun = hold(sam, failed_admission())
    push(oru())
    drain()
    Pause.objects.filter(pk=begun.pk).update(until=timezone.now() - timedelta(seconds=1))
    drain()

    assert outcomes()[1:] == [("ORU^R01", "released"), ("ORU^R01", "applied")]


def test_the_replay_of_what_failed_is_not_held_and_comes_first(sam: User) -> None:
    failed = failed_admission()
    hold(sam, failed)
    push(oru())
    drain()
    DeadLetter.objects.all().request_replay(by=sam)
    resume(Pause.objects.all(), by=sam)
    drain()

    replays = InboundMessage.objects.exclude(replay_of=None).order_by("id")
    assert [message.message_type for message in replays] == ["ADT^A01", "ORU^R01"]


def test_what_another_pause_let_go_of_stays_with_the_hold(sam: User) -> None:
    pause(Pause(scope="type", value="ORU", reason="test"), by=sam)
    begun = hold(sam, failed_admission())
    push(oru("2"), oru(), oru("3"))
    drain()
    resume(Pause.objects.filter(scope="type"), by=sam)
    drain(1)

    assert InboundMessage.objects.get(status="held").pause == begun
    assert len(applied()) == 2


def test_a_hold_has_an_end(sam: User) -> None:
    message = failed_admission()

    with pytest.raises(ValidationError):
        pause(Pause(scope="patient", message=message, reason="for ever"), by=sam)


def test_redis_hears_nothing_of_the_patient(sam: User) -> None:
    begun = hold(sam, failed_admission())
    drain()

    assert queue_client().hget(keys.CONTROL, "held") == f'[[{begun.pk}, "patient", ""]]'.encode()


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [[()], [("--lanes", "2", "--lane", str(lane)) for lane in range(3)]])
def test_whatever_is_killed_each_is_applied_once_and_in_order(
    sam: User, manage: Manage, lanes: list[tuple[str, ...]]
) -> None:
    hold(sam, failed_admission())
    chance = random.Random(7)
    for kill in range(KILLS):
        workers = [manage("consume_interconnect", "--batch", "3", *lane) for lane in lanes]
        push(*(oru(minutes=20 * kill + number) for number in range(20)))
        workers[0].wait_for("queue owned")
        if kill == KILLS - 1:
            resume(Pause.objects.all(), by=sam)
        time.sleep(chance.uniform(0, 0.5))
        for worker in workers:
            worker.kill()
    assert manage("consume_interconnect", "--drain", *lanes[0][:2]).wait(60) == 0

    assert applied() == [f"R0100427013{number}" for number in range(20 * KILLS)]
    assert not InboundMessage.objects.filter(status="held").exists()


def test_an_operator_holds_from_the_letter_sees_it_everywhere_and_releases_it(sam: User, client: Client) -> None:
    push(adt("A01"), adt("A02", bed="", minutes=1))
    drain()
    letter = DeadLetter.objects.get()
    client.force_login(sam)
    page = reverse("admin:interconnect_deadletter_change", args=[letter.pk])
    patient = Visit.objects.get().patient_id

    offered = client.get(page).content.decode()
    answer = client.post(
        reverse("admin:interconnect_pause_hold", args=[letter.message_id]), {"reason": "bed is wrong", "minutes": 30}
    )
    push(oru())
    drain()
    shown = [
        " ".join(client.get(address).content.decode().split())
        for address in (
            page,
            reverse("admin:interconnect_batch_flow"),
            reverse("admin:interconnect_timeline", args=["patient", patient]),
        )
    ]
    index = client.get(reverse("admin:index")).content.decode()
    client.post(reverse("admin:interconnect_pause_release", args=[Pause.objects.get().pk]))
    drain()

    assert "Hold later messages of this patient" in offered
    assert answer["Location"] == page
    assert f"Paused</span> the patient of message {letter.message_id}, by sam" in index
    assert all("<strong>1 waits</strong>" in text and "Release now" in text for text in shown)
    assert outcomes()[-1] == ("ORU^R01", "applied")
    codes = AuditEvent.objects.filter(actor="sam", code__startswith="queue.").order_by("id")
    assert list(codes.values_list("code", flat=True)) == ["queue.pause", "queue.resume"]


@pytest.mark.parametrize("answer", [{"reason": "x", "minutes": 1441}, {"reason": "", "minutes": 5}, {"reason": "x"}])
def test_a_hold_without_reason_or_limit_is_none(sam: User, client: Client, answer: dict[str, object]) -> None:
    client.force_login(sam)

    client.post(reverse("admin:interconnect_pause_hold", args=[failed_admission().pk]), answer)

    assert not Pause.objects.exists()


def test_a_message_that_names_nobody_holds_nobody(sam: User, client: Client) -> None:
    push(b"no message")
    drain()
    client.force_login(sam)
    message = InboundMessage.objects.get()

    page = client.get(reverse("admin:interconnect_inboundmessage_change", args=[message.pk])).content.decode()
    client.post(reverse("admin:interconnect_pause_hold", args=[message.pk]), {"reason": "x", "minutes": 5})

    assert "Hold later messages" not in page
    assert not Pause.objects.exists()
