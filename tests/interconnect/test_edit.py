"""Editing: the original stays, the difference is shown, a replay delivers what was made of it."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from audit.models import AuditEvent
from interconnect.admin.grid import MAX_CELLS
from interconnect.dlq.changes import changes
from interconnect.dlq.revisions import as_bytes, as_text
from interconnect.models import DeadLetter, InboundMessage, Revision
from tests.builders import adt, drain, push
from tests.interconnect.test_admin import HOSTILE, change_url, deliver, page, text
from tests.operators import VIEW, staff

pytestmark = pytest.mark.django_db

NO_BED = adt("A01", bed="")
FIXED = adt("A01")


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(staff("olu", *VIEW, "replay_deadletter", "edit_deadletter"))
    return client


def edit(client: Client, raw: bytes, **more: str) -> Any:
    """Post the editor's page; `seen` is the newest revision when it was opened, which is just now if left out."""
    newest = Revision.objects.first()
    typed = {"text": raw.decode().replace("\r", "\r\n"), "seen": str(newest.pk) if newest else ""}
    return client.post(edit_url(), typed | more)


def edit_url() -> str:
    return reverse("admin:interconnect_deadletter_edit", args=[DeadLetter.objects.earliest("pk").pk])


def cells(client: Client, raw: bytes, typed: dict[str, str], **more: str) -> Any:
    return client.post(edit_url(), {"text": raw.decode().replace("\r", "\r\n"), **typed, **more})


def test_the_editor_has_a_cell_for_each_value_with_the_one_at_fault_in_focus(operator: Client) -> None:
    deliver(adt("A01", bed="", family="O\\T\\Hara"))

    content = page(operator, edit_url())

    assert 'name="cell PID-3.1" value="00427013"' in content
    assert 'value="O&amp;Hara"' in content
    assert re.search(r'name="cell PV1-3.1" value=""[^>]* autofocus', content)
    assert content.count("autofocus") == 1


def test_what_is_typed_into_a_cell_is_escaped_and_the_rest_stays_as_sent(operator: Client) -> None:
    sent = adt("A01", bed="", family="\\H\\Okafor\\N\\")
    deliver(sent)
    typed = {"cell PID-5.1": "Okafor", "cell PID-3.1": "00427013", "cell PV1-3.1": "M&E|D", "new-path": "PV1-3.4"}

    cells(operator, sent, typed, **{"new-value": "EPICOPS", "save": "yes", "reason": "ward"})

    expected = sent.replace(b"|I||", b"|I|M\\T\\E\\F\\D^^^EPICOPS|")
    assert bytes(Revision.objects.get().raw) == expected


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"new-path": "PV1", "new-value": "x"}, "written like"),
        ({"new-path": "NK1-3", "new-value": "x"}, "cannot be set"),
        ({"cell PV1-3.1": "a\nb"}, "more than one line"),
    ],
)
def test_a_cell_that_cannot_be_set_says_why_and_keeps_what_was_typed(
    operator: Client, typed: dict[str, str], wrong: str
) -> None:
    deliver(NO_BED)

    content = cells(operator, NO_BED, {**typed, "cell PID-5.2": "Ngozi"}, save="yes", reason="-").content.decode()

    assert wrong in content
    assert 'value="Ngozi"' in content
    assert not Revision.objects.exists()


def test_going_over_to_text_and_back_takes_the_edits_along(operator: Client) -> None:
    deliver(NO_BED)

    as_text_page = cells(operator, NO_BED, {"cell PV1-3.1": "MED"}, switch="text").content.decode()
    as_fields_page = edit(operator, FIXED, switch="fields", mode="text").content.decode()

    assert "PV1|1|I|MED|" in as_text_page
    assert 'name="cell' not in as_text_page
    assert 'name="cell PV1-3.2" value="427"' in as_fields_page


def test_what_a_line_of_a_form_cannot_hold_is_edited_as_text(operator: Client) -> None:
    deliver(adt("A01", bed="", family="a\\.br\\b"), NO_BED + b"\rNTE|" + b"|x" * MAX_CELLS)

    content = page(operator, edit_url())
    many = page(operator, reverse("admin:interconnect_deadletter_edit", args=[DeadLetter.objects.latest("pk").pk]))

    assert "PID-5.1" in content
    assert 'name="cell PID-5.1"' not in content
    assert 'id="id_text"' in many


def test_a_check_says_what_the_handlers_make_of_it_and_applies_nothing(operator: Client) -> None:
    deliver(NO_BED)

    good = edit(operator, FIXED, check="yes").content.decode()
    bad = edit(operator, NO_BED.replace(b"PID", b"ZID"), check="yes").content.decode()

    assert "PV1[1]-3" in good
    assert "Applied" in good
    assert "bed427" in good
    assert "There is no PID segment" in bad
    assert not Revision.objects.exists()
    assert DeadLetter.objects.get().state == "open"


def test_an_edit_needs_a_reason_and_a_change(operator: Client) -> None:
    deliver(NO_BED)

    assert "Say why." in edit(operator, FIXED, save="yes").content.decode()
    assert "Nothing is changed." in edit(operator, NO_BED, save="yes", reason="none").content.decode()
    assert not Revision.objects.exists()


def test_a_revision_is_kept_beside_the_original_shown_and_audited(operator: Client) -> None:
    deliver(NO_BED)
    answer = edit(operator, FIXED, save="yes", reason="bed from the ward")

    letter = DeadLetter.objects.get()
    event = AuditEvent.objects.get(code="message.edit")
    words = text(operator, answer["Location"])
    assert bytes(letter.message.raw) == NO_BED
    assert "bed from the ward" in words
    assert "PV1[1]-3 Assigned Patient Location MED^427^427^EPICOPS" in words
    assert (event.actor, event.object_id) == ("olu", str(letter.message_id))
    assert "bed from" not in str(event.detail)


@pytest.mark.django_db(transaction=True)
def test_a_replay_delivers_the_newest_revision_as_a_new_message(operator: Client) -> None:
    push(NO_BED)
    drain()
    edit(operator, FIXED.replace(b"427^427", b"9^9"), save="yes", reason="a guess")
    edit(operator, FIXED, save="yes", reason="the ward says")
    DeadLetter.objects.open().request_replay(by=staff("ada"))
    drain()

    original, replay = InboundMessage.objects.order_by("pk")
    assert (bytes(original.raw), bytes(replay.raw)) == (NO_BED, FIXED)
    assert (replay.replay_of, replay.status) == (original, "applied")
    assert DeadLetter.objects.get().state == "resolved"


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"MSH|^~\\&|\xe9", NO_BED + b"\0", NO_BED + b"\rOBX|" * 90_000])
def test_what_cannot_be_edited_without_loss_is_not(operator: Client, raw: bytes) -> None:
    deliver(raw)
    letter = DeadLetter.objects.get()

    answer = operator.get(reverse("admin:interconnect_deadletter_edit", args=[letter.pk]))

    assert (answer.status_code, answer["Location"]) == (302, change_url(letter))


def test_a_character_that_msh_18_does_not_have_is_refused(operator: Client) -> None:
    latin = NO_BED.replace(b"|P|2.5.1", b"|P|2.5.1||||||8859/1")
    deliver(latin)

    assert "not in the declared character set" in edit(operator, latin + "|日".encode(), check="yes").content.decode()


def test_a_message_in_latin_1_stays_in_latin_1(operator: Client) -> None:
    sent = adt("A01", bed="", family="Müller").decode().replace("|P|2.5.1", "|P|2.5.1||||||8859/1")
    deliver(sent.encode("latin-1"))
    fixed = sent.replace("|I||", "|I|MED^427|")

    edit(operator, fixed.encode(), save="yes", reason="bed")

    assert bytes(Revision.objects.get().raw) == fixed.encode("latin-1")


def test_hostile_text_is_inert_in_the_editor_and_the_difference(operator: Client) -> None:
    deliver(NO_BED)
    answer = edit(operator, adt("A01", family=HOSTILE), save="yes", reason="<script>alert(2)")

    letter_page = operator.get(answer["Location"]).content.decode()
    editor = edit(operator, adt("A01", family=HOSTILE), check="yes").content.decode()

    assert "<script>alert" not in letter_page + editor
    assert "\u202e" not in letter_page


@given(st.lists(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"])), max_size=4))
def test_text_and_bytes_are_the_same_message(segments: list[str]) -> None:
    raw = "\r".join(["MSH|^~\\&|EPIC", *(f"ZZZ|{segment}|x" for segment in segments)]).encode()

    assert as_bytes(as_text(raw)) == raw


def test_changes_name_fields_as_hl7_does() -> None:
    before = b"MSH|^~\\&|A|B\rPID|1||1\rOBX|1|NM|a\rOBX|2|NM|6\rNTE|1"
    after = b"MSH|^~\\&|A|C\rPID|1||1\rOBX|1|NM|a\rOBX|2|NM|8310-5\rNTE|1\rNTE|2"

    assert [(each.path, each.name, each.before, each.after) for each in changes(before, after)] == [
        ("MSH[1]-4", "Sending Facility", "B", "C"),
        ("OBX[2]-3", "Observation Identifier", "6", "8310-5"),
        ("NTE[2]", "segment", "", "NTE"),
        ("NTE[2]-1", "", "", "2"),
    ]


def test_segments_stay_beside_their_like_where_others_come_and_go() -> None:
    before = b"MSH|^~\\&|A\rPID|1||1\rPV1|1|I|MED\rOBX|1|NM|a\rNTE|1|gone"
    after = b"MSH|^~\\&|A\rPID|1||2\rPD1|||new\rPV1|1|I|SUR\rOBX|1|NM|a"

    assert [(each.segment, each.path, each.before, each.after) for each in changes(before, after)] == [
        ("PID[1]", "PID[1]-3", "1", "2"),
        ("PD1[1], added", "PD1[1]", "", "PD1"),
        ("PD1[1], added", "PD1[1]-3", "", "new"),
        ("PV1[1]", "PV1[1]-3", "MED", "SUR"),
        ("NTE[1], removed", "NTE[1]", "NTE", ""),
        ("NTE[1], removed", "NTE[1]-1", "1", ""),
        ("NTE[1], removed", "NTE[1]-2", "gone", ""),
    ]


@pytest.mark.django_db(transaction=True)
def test_what_was_typed_stays_where_somebody_else_has_settled_the_letter(operator: Client) -> None:
    push(NO_BED)
    drain()
    DeadLetter.objects.open().request_replay(by=staff("ada"))
    drain()

    content = edit(operator, FIXED, save="yes", reason="the ward called").content.decode()

    assert "Somebody has replayed or discarded this letter meanwhile" in content
    assert 'value="the ward called"' in content
    assert not Revision.objects.exists()
    assert operator.get(edit_url()).status_code == 302


def test_who_edits_what_somebody_else_has_edited_meanwhile_is_told_and_decides(operator: Client) -> None:
    deliver(NO_BED)
    ada = Client()
    ada.force_login(staff("ada", *VIEW, "edit_deadletter"))
    edit(ada, adt("A01", bed="428"), save="yes", reason="ada's")
    theirs = Revision.objects.get()

    answer = edit(operator, FIXED, save="yes", reason="mine", seen="")
    words = answer.content.decode()

    assert f"ada has saved {theirs} while you edited" in words
    assert [change.before for change in answer.context["changes"]] == ["MED^428^428^EPICOPS"]
    assert 'value="mine"' in words
    assert "autofocus" not in words  # it would scroll past what is wrong
    assert Revision.objects.get() == theirs

    edit(operator, FIXED, save="yes", reason="mine", seen=str(answer.context["form"].newest))
    assert [bytes(each.raw) for each in Revision.objects.order_by("pk")] == [bytes(theirs.raw), FIXED]


def test_a_check_hides_no_edit_of_somebody_else(operator: Client) -> None:
    deliver(NO_BED)
    edit(operator, adt("A01", bed="428"), save="yes", reason="first")

    assert edit(operator, FIXED, check="yes", seen="").context["form"].newest == ""
    edit(operator, FIXED, save="yes", reason="second", seen="")
    assert Revision.objects.count() == 1


def test_going_over_to_text_forgets_not_what_was_seen(operator: Client) -> None:
    deliver(NO_BED)
    edit(operator, adt("A01", bed="428"), save="yes", reason="first")

    assert edit(operator, FIXED, switch="text", seen="").context["form"].newest == ""


def test_thousands_of_equal_segments_are_aligned_soon() -> None:
    lines = b"\rNTE|" * 20_000

    assert [str(change.path) for change in changes(FIXED + lines, FIXED + b"\rZZZ|1" + lines)] == ["ZZZ[1]", "ZZZ[1]-1"]
    assert changes(FIXED + lines, FIXED + b"\rOBX|2" + lines[:-50] + b"\rOBX|1")
