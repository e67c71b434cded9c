"""The timeline: every message about a patient, visit or bed, and what became of it."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from epicops import keys
from epicops.redis_client import queue_client
from interconnect.consumer.apply import apply_batch
from interconnect.consumer.queue import uuid7
from interconnect.dlq.dead_letters import requested_replays
from interconnect.finding.timeline import PAGE
from interconnect.models import DeadLetter, InboundMessage
from interconnect.wire import inbox
from interconnect.wire.push import sealed
from sessions_app.models import User
from tests.builders import adt, merge, oru
from tests.interconnect.test_admin import deliver, page, text
from tests.operators import olu, staff
from tests.sealing import RING
from vitals.models import Bed, Patient, PatientIdentifier, Visit

pytestmark = pytest.mark.django_db

NO_BED = adt("A01", bed="")
FIND = reverse("admin:interconnect_timeline_find")


@pytest.fixture
def person() -> User:
    return olu()


@pytest.fixture
def operator(client: Client, person: User) -> Client:
    client.force_login(person)
    return client


def url(row: Patient | Visit | Bed) -> str:
    return reverse("admin:interconnect_timeline", args=[row._meta.model_name, row.pk])


def okafor() -> Patient:
    return PatientIdentifier.objects.get(value="00427013").patient


def numbers(client: Client, row: Patient | Visit | Bed, query: str = "") -> list[int]:
    """The messages on a timeline, as shown."""
    return [entry.message.pk for entry in client.get(url(row) + query).context["entries"]]


def all_messages(**condition: object) -> list[int]:
    return list(InboundMessage.objects.filter(**condition).order_by("-pk").values_list("pk", flat=True))


def test_a_patient_has_every_message_and_its_effect(operator: Client) -> None:
    deliver(adt("A01"), oru(hr=80, temp=60), adt("A08", minutes=2), adt("A20", minutes=3), adt("A01", "other"))

    words = text(operator, url(okafor()))

    assert "Admitted, bed427, 2026-03-02" in words
    assert "In bed427 from" in words
    assert "Heart rate Not shown, withdrawn or implausible: Temperature" in words
    assert "Details of the person." in words
    assert "no handler for this event" in words
    assert numbers(operator, okafor()) == all_messages(control_id__contains="00427013")


def test_a_transfer_that_moved_nobody_says_so(operator: Client) -> None:
    deliver(adt("A01"), adt("A02", bed="428", minutes=5), adt("A12", bed="427", minutes=7))

    words = text(operator, url(okafor()))

    assert "Transferred, bed428, 2026-03-02 09:05:00 Opens no stay: the patient was there already, or it was" in words


def test_a_dead_letter_is_found_by_the_number_in_it(operator: Client) -> None:
    deliver(adt("A01"), NO_BED)

    context = operator.get(url(okafor())).context

    assert [entry.message.pk for entry in context["letters"]] == [DeadLetter.objects.get().message_id]


def test_messages_with_an_old_number_follow_their_patient(operator: Client) -> None:
    deliver(adt("A01", "old"), oru("old"), adt("A01", "new", bed="428"), merge("A40", "new", "old"))

    assert numbers(operator, PatientIdentifier.objects.get(value="new").patient) == all_messages()


def test_a_visit_has_its_own_messages_only(operator: Client) -> None:
    deliver(adt("A01", visit="V1"), adt("A03", visit="V1", minutes=5), adt("A01", visit="V2", minutes=9))

    assert len(numbers(operator, Visit.objects.get(number="V1"))) == 2


def test_a_bed_has_who_came_who_left_and_what_names_it(operator: Client) -> None:
    deliver(adt("A01"), adt("A02", bed="428", minutes=5), adt("A01", "other", bed="429"), NO_BED)
    deliver(adt("A20", "third", minutes=6))

    shown = InboundMessage.objects.filter(pk__in=numbers(operator, Bed.objects.get(key="bed427")))

    assert sorted(shown.values_list("message_type", flat=True)) == ["ADT^A01", "ADT^A02", "ADT^A20"]


def test_two_patients_in_one_bed_are_a_conflict(operator: Client) -> None:
    deliver(adt("A01"), adt("A01", "other", minutes=5))

    words = text(operator, url(Bed.objects.get()))

    assert "Conflict Two patients are in this bed." in words
    assert "Conflict" not in text(operator, url(okafor()))


@pytest.mark.parametrize("place", [keys.QUEUE, keys.INFLIGHT])
def test_what_no_worker_has_applied_yet_is_shown(operator: Client, place: str) -> None:
    deliver(adt("A01"))
    queue_client().rpush(place, "batch" if place == keys.INFLIGHT else adt("A01", "other"), oru())

    waiting = operator.get(url(okafor())).context["waiting"]

    assert [(message.ahead, header.message_type) for message, header in waiting] == [(0, "ORU^R01")]


def test_what_waits_sealed_in_the_inbox_is_shown_too(operator: Client, settings: Any) -> None:
    settings.EPICOPS_SEALING_KEYS = RING
    deliver(adt("A01"))
    inbox.keep(sealed([oru()]))

    waiting = operator.get(url(okafor())).context["waiting"]

    assert [(message.place, header.message_type) for message, header in waiting] == [("in the inbox", "ORU^R01")]


def test_a_replay_is_one_entry_with_the_edit_and_the_original(operator: Client, person: User) -> None:
    deliver(adt("A01"), NO_BED)
    letter = DeadLetter.objects.get()
    letter.message.revisions.create(raw=adt("A02", bed="428", minutes=4), reason="bed by phone", edited_by=person)
    DeadLetter.objects.filter(pk=letter.pk).request_replay(by=person)
    apply_batch(uuid7(), [replay.interpret() for replay in requested_replays(10)], "worker")

    words = text(operator, url(okafor()))

    assert len(numbers(operator, okafor())) == 2
    assert "Transferred, bed428" in words
    assert f"{letter} : The assigned patient location is empty Resolved by replay" in words
    assert "edited by olu: bed by phone" in words


def test_pages_follow_each_other_without_gap_or_repeat(operator: Client) -> None:
    deliver(*(adt("A08", minutes=minute) for minute in range(PAGE + 3)))

    first = operator.get(url(okafor())).context
    second = numbers(operator, okafor(), f"?before={first['older']}")

    assert [entry.message.pk for entry in first["entries"]] + second == all_messages()
    assert len(second) == 3


@pytest.mark.parametrize("query", ["?before=x", "?before=" + "9" * 40, "?before=%00"])
def test_nonsense_in_the_address_is_the_first_page(operator: Client, query: str) -> None:
    deliver(adt("A01"))

    assert numbers(operator, okafor(), query) == all_messages()


def test_a_timeline_takes_the_same_number_of_queries_however_long_it_is(
    operator: Client, django_assert_max_num_queries: Any
) -> None:
    deliver(*(adt("A02", bed=str(400 + minute), minutes=minute) for minute in range(20)), NO_BED, oru(hr=1), oru(hr=2))

    with django_assert_max_num_queries(35):
        operator.get(url(okafor()))


@pytest.mark.parametrize(("accept", "application", "answer"), [("", "", "AA"), ("AL", "", "CA"), ("NE", "NE", "none")])
def test_the_answer_is_what_the_sender_asked_for(operator: Client, accept: str, application: str, answer: str) -> None:
    deliver(adt("A01").replace(b"|P|2.5.1", f"|P|2.5.1|||{accept}|{application}".encode()))

    assert f"answer {answer}" in text(operator, url(okafor()))


def test_a_look_is_audited(operator: Client) -> None:
    deliver(adt("A01"))
    operator.get(url(okafor()))

    event = AuditEvent.objects.get(code="timeline.view")

    assert (event.actor, event.patient_id, event.object_id) == ("olu", okafor().pk, str(okafor().pk))


def test_it_needs_the_permission_to_read_messages(client: Client) -> None:
    deliver(adt("A01"))
    client.force_login(staff("mo", "view_deadletter"))

    assert [client.get(address).status_code for address in (url(okafor()), FIND)] == [403, 403]


@pytest.mark.parametrize("number", ["00427013", "V00427013", "bed427"])
def test_a_timeline_is_found_by_a_number_that_no_address_holds(operator: Client, number: str) -> None:
    deliver(adt("A01"))

    response = operator.post(FIND, {"text": number})

    assert response.status_code == 302
    assert number not in response["Location"]
    assert operator.get(response["Location"]).status_code == 200


def test_an_unknown_number_says_so(operator: Client) -> None:
    assert "No patient, visit or bed has this number." in operator.post(FIND, {"text": "nobody"}).content.decode()


@pytest.mark.parametrize("row", ["deadletter", "inboundmessage"])
def test_a_message_leads_to_the_timelines_of_what_it_names(operator: Client, row: str) -> None:
    deliver(adt("A01"), adt("A01", bed="427").replace(b"EVN|A01|2026", b"EVN|A01|20x6"))
    pks = {"deadletter": DeadLetter.objects.get().pk, "inboundmessage": DeadLetter.objects.get().message_id}

    content = page(operator, reverse(f"admin:interconnect_{row}_change", args=[pks[row]]))

    for subject in (okafor(), Visit.objects.get(), Bed.objects.get()):
        assert f'href="{url(subject)}"' in content
