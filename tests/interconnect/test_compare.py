"""Two messages beside each other."""

from typing import Any

import pytest
from django.test import Client

from audit.models import AuditEvent
from interconnect.admin.compare import MAX_SEGMENTS
from interconnect.models import DeadLetter, InboundMessage
from tests.builders import adt, drain, push
from tests.interconnect.test_admin import DEAD_LETTERS, MESSAGES, change_url, deliver, page, text
from tests.operators import olu

pytestmark = pytest.mark.django_db

A01 = adt("A01")


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(olu())
    return client


def beside(client: Client, *messages: bytes) -> str:
    """Deliver two messages and read the page that compares them, the later named first."""
    deliver(*messages)
    later, earlier = InboundMessage.objects.values_list("pk", flat=True)
    return text(client, f"{MESSAGES}{later}/compare/{earlier}/")


def select(client: Client, url: str, *rows: InboundMessage | DeadLetter) -> Any:
    return client.post(url, {"action": "compare_selected", "_selected_action": [row.pk for row in rows]}, follow=True)


def test_two_messages_differ_by_fields_with_their_names_and_both_are_read(operator: Client) -> None:
    shown = beside(operator, A01, adt("A01", bed="428") + b"\rZBE|1")

    first, second = InboundMessage.objects.order_by("pk")
    assert f"Field #{first.pk} #{second.pk}" in shown
    assert "PV1[1]-3 Assigned Patient Location MED^427^427^EPICOPS MED^428^428^EPICOPS" in shown
    assert f"ZBE[1], only in #{second.pk}" in shown
    assert "Patient Name" not in shown  # alike
    assert set(AuditEvent.objects.filter(code="message.view").values_list("object_id", "actor")) == {
        (str(first.pk), "olu"),
        (str(second.pk), "olu"),
    }


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (A01, "They are the same, byte for byte."),
        (A01.replace(b"\r", b"\n"), "Every field is the same; line ends or the character set are not."),
        (A01 + b"\xff", "The bytes are no text in the declared character set."),
        (A01 + b"\rNTE|1" * MAX_SEGMENTS, "One of them has more than 1,000 segments."),
    ],
)
def test_where_no_field_can_be_named_the_page_says_what_is_the_matter(
    operator: Client, other: bytes, words: str
) -> None:
    assert words in beside(operator, A01, other)


@pytest.mark.parametrize("model", [InboundMessage, DeadLetter])
def test_just_two_rows_of_a_list_are_compared(operator: Client, model: Any) -> None:
    deliver(*(adt("A01", str(number), bed="") for number in range(3)))
    url, rows = (MESSAGES if model is InboundMessage else DEAD_LETTERS), model.objects.all()

    assert "How they differ" in select(operator, url, *rows[:2]).content.decode()
    for several in (rows[:1], rows):
        assert "select just two" in select(operator, url, *several).content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_duplicate_leads_to_its_original_and_a_reused_control_id_to_the_one_before(operator: Client) -> None:
    push(A01, A01, adt("A01", family="Mensah"))
    drain()
    original, copy, reused = InboundMessage.objects.order_by("pk")

    assert f"{MESSAGES}{copy.pk}/compare/{original.pk}/" in page(operator, change_url(copy))
    assert f"{MESSAGES}{reused.pk}/compare/{copy.pk}/" in page(operator, change_url(reused))
    assert "compare" not in page(operator, change_url(original))


def test_what_is_compared_is_inert(operator: Client) -> None:
    deliver(A01, A01.replace(b"Okafor", b"<script>alert(1)</script>"))
    first, second = InboundMessage.objects.order_by("pk")

    shown = page(operator, f"{MESSAGES}{first.pk}/compare/{second.pk}/")

    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)" in shown
