"""Messages are found by what is in them, and no address says who was looked for."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import AuditEvent
from interconnect.finding.search import TAKES, read
from interconnect.finding.searches import Search
from interconnect.models import DeadLetter, InboundMessage, MessageTokens
from tests.builders import adt, oru
from tests.interconnect.test_admin import DEAD_LETTERS, MESSAGES, deliver, page, text
from tests.operators import olu, root
from tests.processes import ManageProcess

pytestmark = pytest.mark.django_db

NO_BED = adt("A01", "E0001327", bed="")


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(olu())
    return client


def search(client: Client, words: str, model: str = "inboundmessage", **more: str) -> Any:
    return client.post(reverse(f"admin:interconnect_{model}_search"), {"text": words, **more})


def found(client: Client, words: str, model: str = "inboundmessage") -> int:
    answer = search(client, words, model)
    return int(client.get(answer["Location"]).context["cl"].result_count)


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("PID-3:00427013", 3),
        ("pid-3:e0001327", 1),
        ("PID-3:00427013 type:ORU^R01", 1),
        ("OBX-3:8867-4", 1),
        ("PV1-3:MED", 2),
        ("PV1-19:V00427013", 2),
        ("type:ADT^A01 status:applied", 1),
        ("sender:monitor", 1),
        ("error:missing-field", 1),
        ("state:open", 1),
        ("age:<1h", 4),
        ("age:>1h", 0),
        ("A01004270130", 1),
        ("control:A01004270130 facility:EPICOPS", 1),
        ("PID-3:0042", 0),
        ("PID-3:'two words'", 0),
    ],
)
def test_a_message_is_found_by(operator: Client, words: str, number: int) -> None:
    deliver(adt("A01"), oru(), adt("A60"), NO_BED)

    assert found(operator, words) == number


def test_a_message_is_found_by_its_number(operator: Client) -> None:
    deliver(adt("A01"), adt("A60"))

    assert found(operator, str(InboundMessage.objects.latest("pk").pk)) == 1


def test_dead_letters_are_found_in_the_same_words(operator: Client) -> None:
    deliver(adt("A01"), NO_BED, oru(hr="fast"))

    assert found(operator, "PID-3:E0001327 error:missing-field state:open age:<1h", "deadletter") == 1


def test_every_repetition_is_found(operator: Client) -> None:
    deliver(adt("A01").replace(b"^^^EPIC^MR", b"^^^EPIC^MR~777^^^NHS^NH"))

    assert found(operator, "PID-3:777") == 1


def test_escapes_are_decoded_before_they_are_indexed(operator: Client) -> None:
    deliver(adt("A01", visit="V\\T\\1"))

    assert found(operator, "PV1-19:V&1") == 1


def test_bytes_that_are_no_message_are_found_by_their_error(operator: Client) -> None:
    deliver(bytes(range(256)), b"")

    assert found(operator, "error:not-hl7") == 2


def test_no_address_holds_what_was_looked_for_and_the_search_is_audited(operator: Client) -> None:
    deliver(NO_BED)
    answer = search(operator, "PID-3:E0001327")

    event = AuditEvent.objects.get(code="message.search")
    assert answer["Location"] == f"{MESSAGES}?search={Search.objects.get().pk}"
    assert (event.actor, event.object_id) == ("olu", str(Search.objects.get().pk))
    assert "E0001327" not in str(event.detail)
    assert "E0001327" in page(operator, answer["Location"])  # in the search field, to be changed


@pytest.mark.parametrize(("more", "number"), [("", 3), ("&status__exact=dead", 1)])
def test_many_matches_are_counted_once_unless_more_is_asked_for(
    operator: Client, monkeypatch: pytest.MonkeyPatch, more: str, number: int
) -> None:
    deliver(adt("A01"), adt("A08"), adt("A01", bed=""), oru("E0001327"))
    monkeypatch.setattr("interconnect.finding.search.FEW", 0)
    address = search(operator, "facility:EPICOPS sender:EPIC")["Location"]

    with CaptureQueriesContext(connection) as asked:
        shown = operator.get(address + more).context["cl"]

    counts = [query["sql"] for query in asked if "COUNT(*)" in query["sql"]]
    assert shown.result_count == len(shown.result_list) == number
    assert len(counts) == bool(more)


def test_tokens_hold_no_patient_data() -> None:
    deliver(NO_BED)

    assert all(isinstance(token, int) for token in MessageTokens.objects.get().tokens)


@pytest.mark.parametrize(
    ("words", "wrong", "why"),
    [
        ("PID-5:Okafor", "pid-5:", "not a search word"),
        ("type:ADT^A01 PID-3:", "PID-3:", "What is looked for?"),
        ("age:2h", "2h", "like &gt;2h"),
        ("number:x", "x", "digits only"),
        ("state:gone", "gone", "state: cannot be gone. There are open, replaying, resolved, failed, discarded."),
        ("status:released", "released", "status: cannot be released. There are applied, skipped, dead, held."),
        ('"open', "", "No closing quotation"),
    ],
)
def test_a_search_that_cannot_be_read_keeps_what_was_typed_and_says_why(
    operator: Client, words: str, wrong: str, why: str
) -> None:
    answer = search(operator, words, name="Mine")

    box = (words.replace('"', "&quot;"), "Mine", wrong)
    assert all(f'="{each}"' in answer.content.decode() for each in box)
    assert why in answer.content.decode()
    assert not Search.objects.exists()


@pytest.mark.parametrize(("model", "number"), [("inboundmessage", 1), ("deadletter", 1), ("batch", 0), ("feed", 0)])
def test_only_lists_of_messages_have_the_field(client: Client, model: str, number: int) -> None:
    client.force_login(root())

    shown = page(client, reverse(f"admin:interconnect_{model}_changelist"))

    assert shown.count('id="hl7-search"') == number


def test_what_each_word_takes_can_be_read(operator: Client) -> None:
    shown = page(operator, reverse("admin:interconnect_inboundmessage_search"))

    assert all(word in shown and takes.split("<")[0] in shown for word, takes in TAKES.items() if "'" not in takes)


@pytest.mark.parametrize("word", TAKES)
def test_every_word_that_is_offered_can_be_looked_for(word: str) -> None:
    values = {"status": "dead", "state": "open", "number": "1", "age": "<2h"}

    assert read(f"{word}:{values.get(word, 'x')}")


def test_a_named_search_is_a_view_for_everybody_and_can_be_changed(operator: Client) -> None:
    deliver(NO_BED)
    search(operator, "age:>2h", name="Late")
    search(operator, "error:missing-field age:<1h", name="Late")

    view = Search.objects.get()
    assert view.text == "error:missing-field age:<1h"
    assert "Late" in text(operator, DEAD_LETTERS)
    assert operator.get(DEAD_LETTERS, {"search": str(view.pk)}).context["cl"].result_count == 1


def test_all_that_match_are_replayed_not_one_page(operator: Client) -> None:
    deliver(*(adt("A01", "E0001327", bed="", minutes=number) for number in range(60)), adt("A01", bed=""))
    address = search(operator, "PID-3:E0001327", "deadletter")["Location"]
    chosen = {"action": "replay_selected", "select_across": 1, "_selected_action": DeadLetter.objects.first().pk}  # type: ignore[union-attr]  # there is one

    asked = operator.post(address, chosen)
    operator.post(address, {**dict(asked.context["hidden"]), "post": "yes"})

    assert DeadLetter.objects.filter(state="replaying").count() == 60


def test_reading_does_not_depend_on_the_case_of_words() -> None:
    assert read("TYPE:adt^a01").tokens == read("type:ADT^A01").tokens


@pytest.mark.django_db(transaction=True)
def test_messages_from_before_are_indexed_by_the_command(manage: Any) -> None:
    deliver(adt("A01"), NO_BED, bytes(range(256)))
    before = dict(MessageTokens.objects.values_list("message", "tokens"))
    MessageTokens.objects.all().delete()

    command: ManageProcess = manage("index_messages")

    assert command.wait() == 0
    assert "3 messages indexed" in command.stdout
    assert dict(MessageTokens.objects.values_list("message", "tokens")) == before
