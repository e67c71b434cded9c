"""Patients are masked until somebody who may asks for them; exports say what they hold, and are audited."""

import csv
import io
import json
from typing import Any

import pytest
from django.test import Client

from audit.models import AuditEvent
from interconnect.admin.patients import masked, person_in
from interconnect.exports import cell
from interconnect.models import DeadLetter, InboundMessage
from tests.builders import adt, oru
from tests.interconnect.test_admin import DEAD_LETTERS, MESSAGES, deliver, text
from tests.operators import VIEW, staff

pytestmark = pytest.mark.django_db

NOT_HL7 = bytes(range(256))
ALL = {"select_across": "1", "_selected_action": ["0"]}


@pytest.fixture
def supervisor(client: Client) -> Client:
    client.force_login(staff("sam", *VIEW, "export_inboundmessage"))
    return client


def act(client: Client, action: str, url: str = MESSAGES) -> Any:
    return client.post(url, {"action": action, **ALL})


def test_the_lists_show_enough_of_an_identifier_to_tell_neighbours_apart(supervisor: Client) -> None:
    deliver(adt("A01", "12345678", bed="", family="Okafor"))

    for url in (MESSAGES, DEAD_LETTERS):
        words = text(supervisor, url).replace("A01123456780", "")  # this sender's control id
        assert "•••78" in words
        assert "12345678" not in words
        assert "Okafor" not in words


def test_short_identifiers_are_hidden_as_a_whole() -> None:
    assert (masked(""), masked("1234"), masked("12345")) == ("", "•••", "•••45")


def test_a_message_that_cannot_be_read_has_no_patient() -> None:
    assert set(person_in(NOT_HL7)) == {""}
    assert person_in(adt("A01")[:-9]).name == "Okafor, Amaka"


def test_who_looks_behind_the_mask_is_audited_for_each_message(supervisor: Client) -> None:
    deliver(adt("A01", "11111111"), adt("A01", "22222222", bed=""))

    shown = act(supervisor, "reveal_selected").content.decode()

    assert all(words in shown for words in ("11111111", "22222222", "Okafor, Amaka"))
    events = AuditEvent.objects.filter(code="message.unmask")
    assert {event.object_id for event in events} == {str(each.pk) for each in InboundMessage.objects.all()}
    assert any(event.patient_id for event in events)


@pytest.mark.parametrize("action", ["reveal_selected", "export_csv", "export_json", "export_hl7"])
def test_who_may_not_read_messages_sees_no_patient_and_takes_nothing_away(client: Client, action: str) -> None:
    deliver(adt("A01", bed=""))
    client.force_login(staff("vera", "view_deadletter", "export_inboundmessage"))

    assert act(client, action, DEAD_LETTERS).status_code == 403
    assert not AuditEvent.objects.filter(code__startswith="message.").exclude(actor="worker").exists()


def test_the_csv_has_a_line_for_each_message_and_no_bodies(supervisor: Client) -> None:
    deliver(adt("A01", "12345678", bed=""), oru(hr="fast"), NOT_HL7)

    answer = act(supervisor, "export_csv", DEAD_LETTERS)
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))

    assert [row["error"] for row in rows] == ["missing-field", "not-a-number", "not-hl7"]
    assert (rows[0]["patient"], rows[0]["letter"]) == ("•••78", str(DeadLetter.objects.earliest("pk").pk))
    assert "Okafor" not in answer.getvalue().decode()
    assert AuditEvent.objects.get(code="message.export-csv").detail["count"] == 3


def test_the_json_has_the_bytes_of_every_message(supervisor: Client) -> None:
    deliver(adt("A01"), NOT_HL7)

    rows = json.loads(act(supervisor, "export_json").getvalue())

    assert rows[0]["raw"].encode() == adt("A01")
    assert "raw_base64" in rows[1]
    assert AuditEvent.objects.get(code="message.export-json").detail["count"] == 2


def test_the_batch_has_the_messages_in_order_between_header_and_count(supervisor: Client) -> None:
    first, second = adt("A01", "1"), adt("A01", "2").replace(b"\r", b"\r\n")
    deliver(first, NOT_HL7, second)

    batch = act(supervisor, "export_hl7").getvalue()

    assert [line[:3] for line in batch.split(b"\r")[:3]] == [b"FHS", b"BHS", b"MSH"]
    assert first + b"\r" + adt("A01", "2") + b"\rBTS|2\rFTS|1\r" in batch


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\uff1d1", "|calc"])
def test_nothing_in_a_csv_is_a_formula(value: str) -> None:
    assert cell(value).startswith("'")


def test_no_cell_of_a_csv_reorders_or_hides_text() -> None:
    assert cell("\u202eevil\0") == "[U+202E]evil\u2400"
