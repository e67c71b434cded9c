"""Four eyes: edits of who a patient is, and discards of many, count once a second operator has agreed."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from interconnect.dlq.dead_letters import as_last_edited
from interconnect.dlq.discard import decide
from interconnect.dlq.redrive import report, start, step
from interconnect.models import DeadLetter, Discard, Redrive, Revision
from tests.builders import adt
from tests.interconnect.test_admin import change_url, deliver, page, text
from tests.operators import VIEW, staff

pytestmark = pytest.mark.django_db

MAY = (*VIEW, "edit_deadletter", "discard_deadletter", "replay_deadletter", "view_discard")
NO_BED = adt("A01", bed="")


@pytest.fixture(autouse=True)
def _four_eyes(settings: Any) -> None:
    settings.EPICOPS_FOUR_EYES = True


def in_as(name: str) -> Client:
    client = Client()
    client.force_login(staff(name, *MAY))
    return client


def edit(client: Client, old: str, new: str) -> DeadLetter:
    letter = DeadLetter.objects.get()
    edited = NO_BED.decode().replace("\r", "\n").replace(old, new)
    url = reverse("admin:interconnect_deadletter_edit", args=[letter.pk])
    seen = client.get(url).context["form"]["seen"].value() or ""
    client.post(url, {"text": edited, "reason": "from the ward", "save": "yes", "mode": "text", "seen": seen})
    return letter


def say(client: Client, row: DeadLetter | Discard, word: str) -> Any:
    """Answer as the row's page asks at this moment."""
    newest = Revision.objects.first()
    given = {word: "yes", "revision": newest.pk if newest else ""}
    return client.post(reverse(f"admin:interconnect_{row._meta.model_name}_decide", args=[row.pk]), given)


def discard_all(client: Client) -> Discard:
    chosen = {"action": "discard_selected", "_selected_action": [row.pk for row in DeadLetter.objects.all()]}
    why = {"post": "yes", "reason": "test", "text": "from the test system"}
    client.post(reverse("admin:interconnect_deadletter_changelist"), chosen | why)
    return Discard.objects.get()


def is_replayable() -> bool:
    return DeadLetter.objects.replayable().exists()


def test_an_edit_of_the_patients_number_waits_and_the_letter_with_it() -> None:
    deliver(NO_BED)
    letter = edit(in_as("ada"), "00427013", "00427014")

    assert Revision.objects.get().is_waiting
    assert not is_replayable()
    assert DeadLetter.objects.request_replay(by=staff("sam")) == 0
    assert as_last_edited([letter]) == [NO_BED]


def test_an_edit_of_anything_else_counts_at_once() -> None:
    deliver(NO_BED)
    edit(in_as("ada"), "|I||", "|I|MED^427^427^EPICOPS|")

    assert not Revision.objects.get().is_waiting
    assert is_replayable()


def test_nobody_agrees_to_an_edit_that_came_after_the_one_they_saw() -> None:
    deliver(NO_BED)
    ada, bea = in_as("ada"), in_as("bea")
    letter = edit(ada, "00427013", "00427014")
    seen = re.findall(r'name="revision" value="(\d+)"', page(bea, change_url(letter)))
    edit(ada, "00427013", "99999999")

    url = reverse("admin:interconnect_deadletter_decide", args=[letter.pk])
    bea.post(url, {"agree": "yes", "revision": seen[0]})

    assert [revision.consent for revision in Revision.objects.all()] == ["waiting", "waiting"]


def test_an_edit_over_one_that_waits_does_not_keep_the_letter_for_ever() -> None:
    deliver(NO_BED)
    edit(in_as("ada"), "00427013", "00427014")
    edit(in_as("bea"), "|I||", "|I|MED^427^427^EPICOPS|")

    assert is_replayable()


def test_its_author_cannot_agree_and_somebody_else_can() -> None:
    deliver(NO_BED)
    ada, bea = in_as("ada"), in_as("bea")
    letter = edit(ada, "00427013", "00427014")

    say(ada, letter, "agree")
    assert Revision.objects.get().is_waiting
    say(bea, letter, "agree")

    revision = Revision.objects.get()
    assert (revision.consent, revision.decided_by.username if revision.decided_by else "") == ("given", "bea")
    assert is_replayable()
    assert b"00427014" in as_last_edited([letter])[0]
    assert AuditEvent.objects.get(code="message.edit-agree").actor == "bea"


def test_a_refused_edit_is_kept_and_never_delivered() -> None:
    deliver(NO_BED)
    letter = edit(in_as("ada"), "00427013", "00427014")

    say(in_as("bea"), letter, "refuse")

    assert Revision.objects.get().consent == "refused"
    assert is_replayable()
    assert as_last_edited([letter]) == [NO_BED]


def test_a_redrive_leaves_out_what_waits() -> None:
    deliver(NO_BED)
    edit(in_as("ada"), "00427013", "00427014")
    redrive = start(Redrive(started_by=staff("sam"), rate=100_000), DeadLetter.objects.all())

    step(redrive.pk)

    assert report(redrive)["left-out"] == 1


def test_letters_that_wait_for_a_second_operator_are_listed() -> None:
    deliver(NO_BED, adt("A03", "9", bed=""))
    ada = in_as("ada")
    Revision.objects.create(
        message=DeadLetter.objects.earliest("pk").message, raw=b"", reason="-", edited_by=staff("x"), consent="waiting"
    )

    assert "1 dead letter " in text(ada, reverse("admin:interconnect_deadletter_changelist") + "?edit=waiting") + " "


def test_a_discard_of_several_is_carried_out_when_a_second_operator_agrees() -> None:
    deliver(NO_BED, adt("A02", bed=""))
    decision = discard_all(in_as("ada"))
    assert DeadLetter.objects.open().count() == 2

    say(in_as("bea"), decision, "agree")

    assert DeadLetter.objects.filter(state="discarded", discard=decision).count() == 2
    assert AuditEvent.objects.get(code="message.discard").actor == "bea"


def test_the_page_of_a_letter_says_what_its_discard_waits_for() -> None:
    deliver(NO_BED, adt("A02", bed=""))
    ada = in_as("ada")
    decision = discard_all(ada)
    page = reverse("admin:interconnect_deadletter_change", args=[DeadLetter.objects.latest("pk").pk])

    waiting = text(ada, page)
    say(in_as("bea"), decision, "refuse")
    refused = text(ada, page)

    assert "waits for a second operator" in waiting
    assert "refused by a second operator" in refused
    assert "taken back" not in waiting + refused


def test_a_refused_discard_leaves_the_letters_open() -> None:
    deliver(NO_BED, adt("A02", bed=""))

    say(in_as("bea"), discard_all(in_as("ada")), "refuse")

    assert DeadLetter.objects.open().count() == 2
    assert Discard.objects.get().consent == "refused"


def test_of_two_who_answer_at_once_only_the_first_is_heard() -> None:
    deliver(NO_BED, adt("A02", bed=""))
    decision = discard_all(in_as("ada"))
    seen_by_bea, seen_by_cem = (Discard.objects.get(pk=decision.pk) for _ in range(2))
    decide(seen_by_bea, by=staff("bea"), agreed=True)

    with pytest.raises(ValueError, match="once is enough"):
        decide(seen_by_cem, by=staff("cem"), agreed=False)
    assert Discard.objects.get().consent == "given"


def test_one_letter_is_discarded_by_one_person() -> None:
    deliver(NO_BED)

    assert not discard_all(in_as("ada")).is_waiting
    assert DeadLetter.objects.get().state == "discarded"
