"""Giving dead letters up, with a reason, and taking it back within thirty days."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEvent
from interconnect.dlq.discard import restore
from interconnect.models import DeadLetter, Discard, FailureGroup, InboundMessage
from tests.builders import adt, oru
from tests.interconnect.test_admin import DEAD_LETTERS, deliver, text
from tests.operators import VIEW, staff

pytestmark = pytest.mark.django_db

NO_BED = adt("A01", bed="")
WHY = {"reason": "test", "text": "sent from the test system"}


@pytest.fixture
def supervisor(client: Client) -> Client:
    client.force_login(staff("sam", *VIEW, "discard_deadletter", "restore_deadletter", "view_discard"))
    return client


def discard(client: Client, *letters: DeadLetter, **more: Any) -> Any:
    chosen = {"action": "discard_selected", "_selected_action": [each.pk for each in letters]}
    return client.post(DEAD_LETTERS, {**chosen, **more})


def decision_url(verb: str) -> str:
    return reverse(f"admin:interconnect_discard_{verb}", args=[Discard.objects.get().pk])


def test_a_discard_asks_for_the_reason_and_shows_the_count_first(supervisor: Client) -> None:
    deliver(NO_BED, oru(hr="fast"))

    asked = discard(supervisor, *DeadLetter.objects.all())
    without_reason = discard(supervisor, *DeadLetter.objects.all(), post="yes", text="why not")

    assert "Discard 2 messages" in asked.content.decode()
    assert "This field is required" in without_reason.content.decode()
    assert DeadLetter.objects.open().count() == 2


def test_discarded_letters_are_kept_and_the_decision_is_audited(supervisor: Client) -> None:
    deliver(NO_BED, oru(hr="fast"))
    discard(supervisor, *DeadLetter.objects.all(), post="yes", **WHY)

    event = AuditEvent.objects.get(code="message.discard")
    assert (event.actor, event.detail["count"], event.detail["reason"]) == ("sam", 2, "test")
    assert WHY["text"] not in str(event.detail)
    assert InboundMessage.objects.count() == DeadLetter.objects.filter(state="discarded").count() == 2
    assert "Discarded (2)" in text(supervisor, DEAD_LETTERS)


def test_a_bulk_discard_is_taken_back_as_a_whole(supervisor: Client) -> None:
    deliver(NO_BED, adt("A01", "2", bed=""), oru(hr="fast"))
    discard(supervisor, *DeadLetter.objects.all(), post="yes", **WHY)
    assert "Open 3 again" in text(supervisor, decision_url("change"))

    supervisor.post(decision_url("restore"))

    assert DeadLetter.objects.open().count() == 3
    assert AuditEvent.objects.get(code="message.restore").detail["count"] == 3


def test_a_failure_wants_somebody_again_once_its_discard_is_taken_back(supervisor: Client) -> None:
    deliver(NO_BED)
    discard(supervisor, DeadLetter.objects.get(), post="yes", **WHY)
    FailureGroup.objects.update(state="resolved")

    supervisor.post(decision_url("restore"))

    assert FailureGroup.objects.waiting().exists()


def test_all_matching_are_discarded_beyond_the_page_but_not_beyond_the_count(supervisor: Client) -> None:
    deliver(*(adt("A01", str(number), bed="") for number in range(60)))
    one = DeadLetter.objects.latest("pk")

    asked = discard(supervisor, one, select_across=1)
    deliver(adt("A01", "too late", bed=""))
    supervisor.post(DEAD_LETTERS, {**dict(asked.context["hidden"]), "post": "yes", **WHY})

    assert DeadLetter.objects.filter(state="discarded").count() == 60


def test_after_thirty_days_a_discard_stands(supervisor: Client) -> None:
    deliver(NO_BED)
    discard(supervisor, DeadLetter.objects.get(), post="yes", **WHY)
    Discard.objects.update(discarded_at=timezone.now() - timedelta(days=30))

    with pytest.raises(ValueError, match="30 days"):
        restore(Discard.objects.get(), by=staff("ada"))

    assert "cannot be taken back" in text(supervisor, decision_url("change"))


def test_what_was_replayed_meanwhile_is_not_discarded(supervisor: Client) -> None:
    deliver(NO_BED)
    DeadLetter.objects.update(state="replaying")

    answer = discard(supervisor, DeadLetter.objects.get(), post="yes", **WHY)

    assert answer.status_code == 302
    assert not Discard.objects.exists()


def test_an_operator_who_may_discard_cannot_take_back(client: Client) -> None:
    deliver(NO_BED)
    client.force_login(staff("olu", *VIEW, "discard_deadletter", "view_discard"))
    letter = DeadLetter.objects.get()
    client.post(reverse("admin:interconnect_deadletter_discard", args=[letter.pk]), {"post": "yes", **WHY})

    answer = client.post(decision_url("restore"))

    assert answer.status_code == 403
    assert DeadLetter.objects.get().state == "discarded"
