"""Failures with one cause are one item: counted, owned, snoozed, resolved, and open again when they come back."""

from threading import Thread

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEvent
from interconnect.models import DeadLetter, FailureGroup
from tests.builders import adt, oru
from tests.interconnect.test_admin import deliver, page, text
from tests.operators import staff
from tests.waiting import until

pytestmark = pytest.mark.django_db

FAILURES = reverse("admin:interconnect_failuregroup_changelist")
ACTS = ("view_failuregroup", "view_deadletter", "triage_failuregroup", "replay_deadletter", "discard_deadletter")
NO_BED = adt("A01", bed="")


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(staff("olu", *ACTS, "view_inboundmessage"))
    return client


def act(group: FailureGroup, verb: str) -> str:
    return reverse(f"admin:interconnect_failuregroup_{verb}", args=[group.pk])


def change(group: FailureGroup) -> str:
    return reverse("admin:interconnect_failuregroup_change", args=[group.pk])


def test_one_cause_is_one_group_however_many_messages_it_stops() -> None:
    deliver(NO_BED, adt("A01", "2", bed=""), adt("A02", "3", bed=""), oru(hr="fast"))
    deliver(adt("A01", "4", bed=""))

    groups = FailureGroup.objects.order_by("message_type")

    assert [(g.message_type, g.letters.count()) for g in groups] == [("ADT^A01", 3), ("ADT^A02", 1), ("ORU^R01", 1)]


def test_the_number_of_the_segment_and_digits_do_not_tell_failures_apart() -> None:
    deliver(oru(hr="fast"), oru(hr="slow").replace(b"\rOBX|1", b"\rOBX|1|ST|0-0||other||||||F\rOBX|2"), oru(rr="x"))

    paths = set(DeadLetter.objects.values_list("error_path", flat=True))
    assert paths == {"OBX[1]-5", "OBX[2]-5"}
    assert FailureGroup.objects.get().error_path == "OBX-5"


def test_senders_are_told_apart() -> None:
    deliver(NO_BED, NO_BED.replace(b"|EPIC|", b"|CLINIC|"))

    assert FailureGroup.objects.count() == 2


def test_a_resolved_failure_that_comes_back_is_open_again_and_says_so(operator: Client) -> None:
    deliver(NO_BED)
    FailureGroup.objects.update(state="resolved")

    deliver(adt("A01", "2", bed=""))

    group = FailureGroup.objects.get()
    assert (group.state, group.regressed_at is not None) == ("open", True)
    assert "Back again" in text(operator, FAILURES)


def test_the_list_counts_letters_and_draws_when_they_came(operator: Client) -> None:
    deliver(NO_BED, adt("A01", "2", bed=""), adt("A01", "3", bed=""))
    DeadLetter.objects.filter(pk=DeadLetter.objects.earliest("pk").pk).update(state="resolved")

    content = page(operator, FAILURES)

    assert "2 open</strong><small>of 3" in content
    assert "3 in the last 48 hours, 3 in the busiest" in content


def test_the_list_takes_the_same_number_of_queries_however_long_it_is(
    operator: Client, django_assert_max_num_queries: object
) -> None:
    deliver(*(adt("A01", bed="").replace(b"|EPIC|", f"|E{number}|".encode()) for number in range(20)))

    with django_assert_max_num_queries(10):  # type: ignore[operator]  # pytest-django's fixture
        operator.get(FAILURES)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"state": "assigned"}, "Say who takes it."),
        ({"state": "snoozed"}, "Say for how long."),
        ({"state": "resolved"}, "Dead letters are still open"),
        ({"state": "nonsense"}, "not one of the available choices"),
    ],
)
def test_a_decision_that_says_two_things_is_refused(operator: Client, given: dict[str, str], shown: str) -> None:
    deliver(NO_BED)
    group = FailureGroup.objects.get()

    answer = operator.post(act(group, "triage"), given, follow=True)

    assert shown in answer.content.decode()
    assert FailureGroup.objects.get().state == "open"


def test_a_failure_is_taken_and_the_decision_is_audited(operator: Client) -> None:
    deliver(NO_BED)
    group = FailureGroup.objects.get()
    owner = staff("ada")

    operator.post(act(group, "triage"), {"state": "assigned", "owner": owner.pk, "note": "asked the ward"})

    event = AuditEvent.objects.get(code="failure.triage")
    assert "Assigned ada" in text(operator, FAILURES)
    assert "asked the ward" in text(operator, change(group))
    assert (event.actor, event.detail["state"]) == ("olu", "assigned")
    assert "asked" not in str(event.detail)


@pytest.mark.django_db(transaction=True)
def test_a_failure_is_not_resolved_over_a_letter_that_is_just_dying(operator: Client) -> None:
    deliver(adt("A01", bed=""))
    DeadLetter.objects.update(state="discarded")
    url = act(FailureGroup.objects.get(), "triage")

    def resolve() -> None:
        operator.post(url, {"state": "resolved"})
        connection.close()

    with transaction.atomic():
        deliver(adt("A01", "2", bed=""))
        decision = Thread(target=resolve)
        decision.start()
        until(waits_for_a_lock)
    decision.join()

    assert FailureGroup.objects.get().state == "open"


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_a_snoozed_failure_is_out_of_the_way_and_returns_by_itself(operator: Client) -> None:
    deliver(NO_BED)
    operator.post(act(FailureGroup.objects.get(), "triage"), {"state": "snoozed", "hours": 4})
    assert not FailureGroup.objects.waiting().exists()
    assert "Snoozed until" in text(operator, f"{FAILURES}?triage=snoozed")

    FailureGroup.objects.update(snoozed_until=timezone.now())

    assert "Open: snooze is over" in text(operator, FAILURES)


@pytest.mark.parametrize("triage", ["mine", "open", "assigned", "snoozed", "resolved", "all", "nonsense", "%00"])
def test_every_filter_opens(operator: Client, triage: str) -> None:
    deliver(NO_BED)

    assert operator.get(f"{FAILURES}?triage={triage}", follow=True).status_code == 200


def test_one_button_replays_all_open_letters_of_the_failure_after_a_count(operator: Client) -> None:
    deliver(NO_BED, adt("A01", "2", bed=""), oru(hr="fast"))
    group = FailureGroup.objects.get(message_type="ADT^A01")

    asked = operator.post(act(group, "replay"))
    deliver(adt("A01", "too late", bed=""))
    operator.post(act(group, "replay"), {**dict(asked.context["hidden"]), "post": "yes"})

    assert "Replay 2 messages" in asked.content.decode()
    assert DeadLetter.objects.filter(state="replaying", group=group).count() == 2


def test_selected_failures_are_replayed_as_one(operator: Client) -> None:
    deliver(NO_BED, oru(hr="fast"))
    chosen = {"action": "replay_groups", "_selected_action": [group.pk for group in FailureGroup.objects.all()]}

    asked = operator.post(FAILURES, chosen)
    operator.post(FAILURES, {**chosen, "up_to": dict(asked.context["hidden"])["up_to"], "post": "yes"})

    assert "Replay 2 messages" in asked.content.decode()
    assert DeadLetter.objects.filter(state="replaying").count() == 2


def test_the_group_page_leads_to_its_letters_and_back(operator: Client) -> None:
    deliver(NO_BED, oru(hr="fast"))
    group = FailureGroup.objects.get(message_type="ADT^A01")
    letter = group.letters.get()

    listed = operator.get(reverse("admin:interconnect_deadletter_changelist"), {"group": group.pk})

    assert list(listed.context["cl"].result_list) == [letter]
    assert reverse("admin:interconnect_deadletter_change", args=[letter.pk]) in page(operator, change(group))
    letter_page = reverse("admin:interconnect_deadletter_change", args=[letter.pk])
    assert change(group) in page(operator, letter_page)
