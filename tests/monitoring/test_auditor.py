"""The auditor's page: each question's answer, as page and file, and that asking is itself on record."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEvent
from interconnect.dlq.discard import discard
from interconnect.models import DeadLetter
from monitoring.questions import LISTED, QUESTIONS
from tests.builders import adt, drain, push
from tests.factories import admit, amara, bed, signed_in, unit
from tests.operators import olu, root, staff

pytestmark = pytest.mark.django_db

PAGE = reverse("audit_questions")
AUDITOR = ("view_auditevent", "export_auditevent")


@pytest.fixture
def auditor(client: Client) -> Client:
    client.force_login(staff("ada", *AUDITOR))
    return client


def question(name: str, subject: object = "", **days: str) -> dict[str, str]:
    today = str(timezone.localdate())
    return {"question": name, "subject": str(subject), "since": today, "until": today} | days


def codes(answer: Any) -> list[str]:
    return [event.code for event in answer.context["page"]]


def file(client: Client, form: str, asked: dict[str, str]) -> list[str]:
    answer = client.post(reverse("audit_export", args=[form]), asked)
    return b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]


def test_who_saw_a_patient_includes_boards_that_showed_many(auditor: Client) -> None:
    AuditEvent.objects.record("R", "bed.view", actor="amara", patient_id=7)
    AuditEvent.objects.record("R", "board.view", actor="ben", detail={"patients": [6, 7]})
    AuditEvent.objects.record("R", "board.view", actor="ben", detail={"patients": [77]})

    assert codes(auditor.get(PAGE, question("patient", 7))) == ["board.view", "bed.view"]


def test_a_nurse_who_looks_is_in_the_answer(auditor: Client) -> None:
    someone = admit(bed("bed427", unit("A"))).patient

    signed_in(Client(), amara()).get(reverse("hyperspace:bed", args=["bed427"]))

    assert codes(auditor.get(PAGE, question("patient", someone.pk))) == ["bed.view"]


@pytest.mark.django_db(transaction=True)
def test_what_became_of_a_message_is_found_by_any_of_its_numbers(auditor: Client) -> None:
    push(adt("A01", bed=""), adt("A01", "2", bed=""))
    drain()
    letter = DeadLetter.objects.latest("pk")
    operator = Client()
    operator.force_login(root())
    operator.get(reverse("admin:interconnect_deadletter_change", args=[letter.pk]))
    discard(DeadLetter.objects.all(), by=olu(), reason="test", text="-")

    found = codes(auditor.get(PAGE, question("message", letter.message_id)))

    assert found == ["message.discard", "message.view", "message.dead"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("exports", ["message.export-csv", "message.export-hl7", "redrive.report", "board.print", "audit.export"]),
        ("accounts", ["user.change", "user.add", "codemapping.delete", "second_factor.off"]),
        ("emergencies", ["break_glass.open", "break_glass.refused"]),
        ("doors", ["session.login", "session.refused_cookie", "user.password_refused"]),
    ],
)
def test_an_answer_has_every_kind_of_event_that_was_asked_for(auditor: Client, name: str, wanted: list[str]) -> None:
    for code in [*wanted, "message.view", "queue.pause"]:
        AuditEvent.objects.record("E", code, actor="olu")

    assert codes(auditor.get(PAGE, question(name))) == wanted[::-1]


def test_days_bound_the_answer(auditor: Client) -> None:
    AuditEvent.objects.record("R", "bed.view", actor="amara")
    yesterday = str(timezone.localdate() - timedelta(days=1))

    assert codes(auditor.get(PAGE, question("person", "amara"))) == ["bed.view"]
    assert codes(auditor.get(PAGE, question("person", "amara", until=yesterday, since=yesterday))) == []


def test_reading_and_exporting_the_trail_is_on_record(auditor: Client) -> None:
    AuditEvent.objects.record("E", "session.login", actor="amara")
    auditor.get(PAGE, question("person", "amara"))
    file(auditor, "csv", question("doors"))

    events = AuditEvent.objects.filter(code__startswith="audit.").order_by("pk")

    assert [(event.code, event.actor, event.object_type) for event in events] == [
        ("audit.read", "ada", "question person"),
        ("audit.export", "ada", "question doors"),
    ]
    assert events[1].detail["count"] == 1


def test_csv_holds_no_formula(auditor: Client) -> None:
    AuditEvent.objects.record("E", "session.login", actor="=HYPERLINK(1)")

    header, row = file(auditor, "csv", question("doors"))

    assert header.startswith('"recorded_at","actor",')
    assert ',"\'=HYPERLINK(1)",' in row


def test_fhir_export_says_who_did_what_to_whom(auditor: Client) -> None:
    AuditEvent.objects.record(
        "R", "board.view", actor=amara(), object_type="unit", object_id=3, detail={"patients": [7]}
    )

    (line,) = file(auditor, "ndjson", question("patient", 7))

    found = json.loads(line)
    assert (found["resourceType"], found["action"], found["outcome"]) == ("AuditEvent", "R", "0")
    assert found["type"]["code"] == "110110"
    assert found["agent"][0]["who"]["identifier"]["value"] == "amara"
    assert found["agent"][0]["requestor"] is True
    assert [entity["what"] for entity in found["entity"]] == [
        {"reference": "Patient/7"},
        {"identifier": {"system": "urn:epicops:unit", "value": "3"}},
    ]


def test_an_identifier_becomes_our_number_and_stays_out_of_the_address(auditor: Client) -> None:
    someone = admit(bed()).patient
    someone.identifiers.create(value="00427013", authority="EPIC")

    found = auditor.post(reverse("audit_find_patient"), {"identifier": "00427013"})
    missed = auditor.post(reverse("audit_find_patient"), {"identifier": "0"})

    assert parse_qs(urlsplit(found["Location"]).query)["subject"] == [str(someone.pk)]
    assert "00427013" not in found["Location"]
    assert missed["Location"] == PAGE


def test_what_can_be_no_identifier_is_nobodys(auditor: Client) -> None:
    assert auditor.post(reverse("audit_find_patient"), {"identifier": "\x00"})["Location"] == PAGE


def test_no_day_breaks_a_question(auditor: Client) -> None:
    days = ("0001-01-01", "9999-12-30", "9999-12-31")

    assert {auditor.get(PAGE, question("trail", since=days[0], until=day)).status_code for day in days} == {200}


@pytest.mark.parametrize("subject", ["", "x", "-1", "9" * 40, "\u0661", "\x00"])
def test_no_subject_breaks_a_question(auditor: Client, subject: str) -> None:
    assert {auditor.get(PAGE, question(name, subject)).status_code for name in QUESTIONS} == {200}


def test_the_trail_needs_its_permissions(client: Client) -> None:
    client.force_login(staff("mo"))
    assert client.get(PAGE).status_code == 403
    assert client.post(reverse("audit_find_patient"), {"identifier": "1"}).status_code == 403

    client.force_login(staff("vic", "view_auditevent"))
    assert client.get(PAGE).status_code == 200
    assert client.post(reverse("audit_export", args=["csv"]), question("doors")).status_code == 403


def test_events_about_several_patients_are_found_by_their_index() -> None:
    query = AuditEvent.objects.filter(LISTED, detail__contains={"patients": [7]})
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")

        assert "Bitmap Index Scan on audit_events" in query.explain()
