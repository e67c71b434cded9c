"""Replaying what newer messages have overtaken: told before, and skipped where the operator wants it."""

import pytest
from django.test import Client

from interconnect.dlq.lateness import overtaken
from interconnect.dlq.redrive import start, step
from interconnect.models import DeadLetter, InboundMessage, Redrive, Revision
from sessions_app.models import User
from tests.builders import adt, drain, merge, oru, push
from tests.interconnect.test_admin import replay
from tests.operators import VIEW, staff
from vitals.models import Stay

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sam(transactional_db: None) -> User:
    return staff("sam", *VIEW, "replay_deadletter")


def dead(by: User, minutes: float, *, bed: str) -> DeadLetter:
    """A transfer that failed, and has been mended since."""
    push(adt("A02", minutes=minutes, bed=""))
    drain()
    letter = DeadLetter.objects.earliest("pk")
    mended = adt("A02", minutes=minutes, bed=bed)
    Revision.objects.create(message=letter.message, raw=mended, reason="bed", edited_by=by)
    return letter


def outcome() -> tuple[str, str]:
    last = InboundMessage.objects.exclude(replay_of=None).latest("pk")
    return last.status, last.reason


def present_bed() -> str:
    return Stay.objects.get(to_at=None).bed.key


def test_the_newer_messages_are_named_before_a_replay(sam: User, client: Client) -> None:
    push(adt("A01"))
    letter = dead(sam, 10, bed="428")
    push(adt("A02", minutes=20, bed="429"), adt("A08", minutes=30, bed="429"), oru(minutes=40), adt("A01", "2"))
    drain()
    client.force_login(sam)

    asked = " ".join(replay(client, letter).content.decode().split())

    assert "<strong>2 newer</strong> of the same visit were applied meanwhile" in asked
    assert asked.index("ADT^A02, ") < asked.index("ADT^A08, ")


def test_of_many_it_is_said_how_many_were_overtaken(sam: User, client: Client) -> None:
    push(adt("A01"))
    dead(sam, 10, bed="428")
    push(adt("A02", minutes=20, bed="429"), adt("A01", "2", bed=""))
    drain()
    client.force_login(sam)

    asked = replay(client, *DeadLetter.objects.all()).content.decode()

    assert "Of these, <strong>1</strong> has newer messages" in asked


def test_anyway_sorts_it_into_history(sam: User, client: Client) -> None:
    push(adt("A01"))
    letter = dead(sam, 10, bed="428")
    push(adt("A02", minutes=20, bed="429"))
    drain()
    client.force_login(sam)

    replay(client, letter, post="yes", mode="anyway")
    drain()

    assert outcome() == ("applied", "")
    assert (present_bed(), Stay.objects.count()) == ("bed429", 3)


def test_superseded_is_skipped_when_newer_ones_were_applied(sam: User, client: Client) -> None:
    push(adt("A01"))
    letter = dead(sam, 10, bed="428")
    push(adt("A02", minutes=20, bed="429"))
    drain()
    client.force_login(sam)

    replay(client, letter, post="yes", mode="superseded")
    drain()

    assert outcome() == ("skipped", "superseded: 1 newer of this visit were applied")
    assert DeadLetter.objects.get().state == "resolved"
    assert Stay.objects.count() == 2


def test_what_came_for_another_visit_is_not_newer(sam: User) -> None:
    push(adt("A01"))
    letter = dead(sam, 10, bed="428")
    push(adt("A01", minutes=20, bed="429", visit="another"))
    drain()

    assert overtaken(letter.message, bytes(letter.message.raw), shown=0).number == 0


def test_the_numbers_of_a_merged_visit_are_one_visit(sam: User) -> None:
    push(adt("A01", visit="old"), adt("A02", minutes=5, bed="", visit="old"), adt("A02", minutes=20, visit="new"))
    push(merge("A42", "00427013", "00427013", visit="new", old_visit="old", minutes=30))
    drain()
    letter = DeadLetter.objects.get()

    assert overtaken(letter.message, bytes(letter.message.raw), shown=0).number == 2


def test_without_a_visit_it_is_what_came_for_the_patient(sam: User) -> None:
    push(adt("A01"), oru(minutes=5, hr="fast"), oru(minutes=10))
    drain()
    letter = DeadLetter.objects.get()

    assert overtaken(letter.message, bytes(letter.message.raw), shown=0).number == 1


def test_superseded_is_applied_when_nothing_newer_was(sam: User) -> None:
    push(adt("A01"))
    dead(sam, 10, bed="428")

    DeadLetter.objects.request_replay(by=sam, mode="superseded")
    drain()

    assert outcome()[0] == "applied"


@pytest.mark.parametrize(("minutes", "status"), [(10, "applied"), (30, "skipped")])
def test_history_only_applies_what_leaves_the_present_alone(sam: User, minutes: int, status: str) -> None:
    push(adt("A01"))
    dead(sam, minutes, bed="428")
    push(adt("A02", minutes=20, bed="429"))
    drain()

    DeadLetter.objects.request_replay(by=sam, mode="history")
    drain()

    assert outcome()[0] == status
    assert present_bed() == "bed429"


def test_a_late_reading_is_history_and_the_latest_is_the_present(sam: User) -> None:
    push(adt("A01"), oru(minutes=10, hr=80), oru(minutes=5, hr="fast"), oru(minutes=15, hr="slow"))
    drain()
    for letter, mended in zip(DeadLetter.objects.order_by("pk"), (oru(minutes=5), oru(minutes=15)), strict=True):
        Revision.objects.create(message=letter.message, raw=mended, reason="rate", edited_by=sam)

    DeadLetter.objects.request_replay(by=sam, mode="history")
    drain()

    replays = InboundMessage.objects.exclude(replay_of=None).order_by("pk")
    assert [message.status for message in replays] == ["applied", "skipped"]


def test_a_redrive_hands_the_choice_on(sam: User) -> None:
    push(adt("A01", bed=""))
    drain()
    redrive = start(Redrive(started_by=sam, rate=100_000, mode="superseded"), DeadLetter.objects.all())

    step(redrive.pk)

    assert DeadLetter.objects.get().replay_mode == "superseded"
