"""What operators see of messages, and what they can do about dead ones."""

import html
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from epicops.passive import is_passive
from interconnect.admin.preview import SAMPLE
from interconnect.consumer.apply import apply_batch
from interconnect.consumer.delivery import Delivery
from interconnect.consumer.queue import uuid7
from interconnect.models import DeadLetter, InboundMessage, Revision
from sessions_app.models import User
from tests import factories
from tests.builders import adt, drain, oru
from tests.operators import VIEW, olu, root, staff
from vitals.models import Stay

pytestmark = pytest.mark.django_db

MESSAGES = reverse("admin:interconnect_inboundmessage_changelist")
DEAD_LETTERS = reverse("admin:interconnect_deadletter_changelist")
NO_BED = adt("A01", bed="")  # fails at PV1-3


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(olu())
    return client


def deliver(*messages: bytes) -> None:
    apply_batch(uuid7(), [Delivery(number, raw).interpret() for number, raw in enumerate(messages)], "worker")


def page(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def text(client: Client, url: str) -> str:
    """The words of a page, one blank between them."""
    return tagless(page(client, url))


def tagless(content: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", content)).split())


def change_url(row: InboundMessage | DeadLetter) -> str:
    return reverse(f"admin:interconnect_{row._meta.model_name}_change", args=[row.pk])


def replay(client: Client, *letters: DeadLetter, url: str = DEAD_LETTERS, **more: Any) -> Any:
    return client.post(url, {"action": "replay_selected", "_selected_action": [each.pk for each in letters], **more})


def test_the_message_list_says_what_became_of_each_message(operator: Client) -> None:
    deliver(adt("A01"), adt("A60"), NO_BED)

    words = text(operator, MESSAGES)

    assert "ADT^A01 A01004270130 EPIC @ EPICOPS •••13 Applied" in words
    assert "no handler for this event" in words
    assert "The assigned patient location is empty" in words


def test_the_message_list_does_not_identify_patients(operator: Client) -> None:
    deliver(adt("A01", "00427013", family="Okafor"))

    words = page(operator, MESSAGES).replace("A0100427013", "")  # this sender's control id

    assert "Okafor" not in words
    assert "00427013" not in words


@pytest.mark.parametrize("url", [MESSAGES, DEAD_LETTERS + "?state=all"])
def test_a_list_takes_the_same_number_of_queries_however_long_it_is(
    operator: Client, url: str, django_assert_max_num_queries: Any
) -> None:
    deliver(*(adt("A01", str(number), bed="") for number in range(20)))

    with django_assert_max_num_queries(13):
        operator.get(url)


@pytest.mark.parametrize("url", [MESSAGES, DEAD_LETTERS])
def test_following_a_list_is_no_activity_and_brings_its_rows_with_their_way_back(operator: Client, url: str) -> None:
    deliver(adt("A01", "1", bed=""), adt("A02", "2", bed=""))
    kind = "message_type" if url == MESSAGES else "message__message_type"

    answer = operator.get(f"{url}follow/?{kind}=ADT%5EA02")

    assert is_passive(answer.wsgi_request)
    assert answer.content.decode().count("<tr>") == 2  # with that of the names of the columns
    assert f"_changelist_filters={kind}%3DADT%255EA02" in answer.content.decode()
    assert operator.post(f"{url}follow/").status_code == 405


@pytest.mark.parametrize(("url", "queries"), [(MESSAGES, 5), (DEAD_LETTERS, 6)])
def test_following_a_list_in_which_nothing_happens_costs_its_count_and_its_rows(
    operator: Client, url: str, queries: int, django_assert_num_queries: Any
) -> None:
    deliver(NO_BED)
    factories.within_a_minute()
    tag = operator.get(f"{url}follow/")["ETag"]

    with django_assert_num_queries(queries):  # the person with two of rights, the count, the rows; a letter's replays
        answer = operator.get(f"{url}follow/", headers={"If-None-Match": tag})

    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(("url", "query"), [(MESSAGES, ""), (DEAD_LETTERS, "?state=all")])
def test_a_followed_list_is_sent_anew_when_one_of_its_rows_reads_otherwise(
    operator: Client, url: str, query: str
) -> None:
    deliver(NO_BED)
    factories.within_a_minute()
    tag = operator.get(f"{url}follow/{query}")["ETag"]
    DeadLetter.objects.update(state=DeadLetter.State.DISCARDED)

    answer = operator.get(f"{url}follow/{query}", headers={"If-None-Match": tag})

    assert answer.status_code == 200


def test_only_the_first_page_of_a_list_is_followed(operator: Client) -> None:
    assert 'id="follow"' in page(operator, MESSAGES)
    assert 'id="follow"' not in page(operator, MESSAGES + "?p=2")


def test_the_message_list_neither_reads_bodies_nor_counts_the_table(
    operator: Client, django_assert_max_num_queries: Any
) -> None:
    deliver(adt("A01"))

    with django_assert_max_num_queries(13) as queries:
        operator.get(MESSAGES)

    statements = [query["sql"] for query in queries.captured_queries]
    assert not [statement for statement in statements if '."raw"' in statement.replace('."raw", 1, 2048', "")]
    assert all("LIMIT" in statement for statement in statements if "COUNT(" in statement)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status__exact=dead", 1),
        ("message_type=ADT%5EA01", 2),
        ("sending_application=MONITOR", 1),
    ],
)
def test_messages_are_filtered(operator: Client, query: str, found: int) -> None:
    deliver(adt("A01"), NO_BED, adt("A60"), oru())

    response = operator.get(f"{MESSAGES}?{query}")

    assert response.context["cl"].result_count == found


@pytest.mark.parametrize("query", ["message_type=%00", "search=%00", "search=1", "state=none", "p=999999"])
@pytest.mark.parametrize("url", [MESSAGES, DEAD_LETTERS])
def test_nonsense_in_the_address_is_not_an_error(operator: Client, url: str, query: str) -> None:
    assert operator.get(f"{url}?{query}", follow=True).status_code == 200


def test_a_message_shows_its_fields_by_their_hl7_names(operator: Client) -> None:
    deliver(adt("A01", family="Okafor"))

    words = text(operator, change_url(InboundMessage.objects.get()))

    assert "PID-5 Patient Name Okafor^Amaka" in words
    assert "PV1-3 Assigned Patient Location MED^427^427^EPICOPS" in words


def test_reading_a_message_is_audited(operator: Client) -> None:
    deliver(adt("A01"))
    message = InboundMessage.objects.get()
    operator.get(change_url(message))

    event = AuditEvent.objects.get(code="message.view")

    assert (event.action, event.actor, event.object_id) == ("R", "olu", str(message.pk))
    assert event.patient_id == message.patient_id is not None


@pytest.mark.parametrize("permissions", [(), ("view_deadletter",)])
def test_a_body_needs_the_permission_to_read_messages(client: Client, permissions: tuple[str, ...]) -> None:
    deliver(NO_BED)
    client.force_login(staff("mo", *permissions))
    letter = DeadLetter.objects.get()

    message_page, letter_page = client.get(change_url(letter.message)), client.get(change_url(letter))

    assert message_page.status_code == 403
    assert "Okafor" not in letter_page.content.decode()
    assert not AuditEvent.objects.filter(code="message.view").exists()


def test_the_field_at_fault_is_marked_even_when_it_is_empty(operator: Client) -> None:
    deliver(NO_BED)

    content = page(operator, change_url(DeadLetter.objects.get()))

    marked = re.search(r'<tr id="at-fault".*?</tr>', content, re.DOTALL)
    assert marked
    assert "PV1-3" in marked[0]
    assert "Assigned Patient Location" in marked[0]


def test_the_right_one_of_many_segments_is_marked(operator: Client) -> None:
    deliver(oru(hr="fast"), oru(hr="78").replace(b"\rOBX|1", b"\rOBX|1|NM|8310-5||hot||||||F\rOBX|2"))
    deliver(oru(hr="high", sbp="higher"))
    letter = DeadLetter.objects.latest("pk")

    marked = re.findall(r'<tr id="at-fault".*?</tr>', page(operator, change_url(letter)), re.DOTALL)

    assert letter.error_path == "OBX[1]-5"
    assert len(marked) == 1
    assert "high<" in marked[0]


HOSTILE = "<script>alert(1)</script>'\"&{{ request.user }}\u202etxt.exe"


def test_hostile_fields_are_inert(operator: Client) -> None:
    deliver(adt("A01", family=HOSTILE), adt("A01", family=HOSTILE, bed="").replace(b"|EPIC|", f"|{HOSTILE}|".encode()))

    urls = [change_url(message) for message in InboundMessage.objects.all()]
    for url in (*urls, MESSAGES, DEAD_LETTERS, change_url(DeadLetter.objects.get())):
        content = page(operator, url)
        assert "<script>alert" not in content
        assert "\u202e" not in content
        assert "{{ request.user }}" in content


def test_bytes_that_are_no_text_are_shown_in_hexadecimal(operator: Client) -> None:
    deliver(bytes(range(256)))

    content = page(operator, change_url(InboundMessage.objects.get()))

    assert "000010  10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f  ................" in content


@pytest.mark.parametrize("raw", [b"", b"\0" * 3_000_000, b"\xff\xfe\x00", NO_BED + b"\rOBX" * 9_000])
def test_every_dead_letter_can_be_opened(operator: Client, raw: bytes) -> None:
    deliver(raw)

    assert len(page(operator, change_url(DeadLetter.objects.get()))) < 1_000_000


def test_a_letters_page_leads_to_the_next_one_that_is_open(operator: Client) -> None:
    deliver(*(adt("A01", mrn, bed="") for mrn in ("1", "2", "3")))
    older, discarded, newer = DeadLetter.objects.order_by("pk")
    DeadLetter.objects.filter(pk=discarded.pk).update(state=DeadLetter.State.DISCARDED)

    assert f'href="{change_url(older)}">Next open letter' in page(operator, change_url(newer))
    assert "Next open letter" not in page(operator, change_url(older))


def test_dead_letters_that_wait_are_listed_and_the_others_are_one_link_away(operator: Client) -> None:
    deliver(NO_BED, adt("A01", "2", bed=""))
    settled = DeadLetter.objects.earliest("pk")
    DeadLetter.objects.filter(pk=settled.pk).update(state=DeadLetter.State.RESOLVED)

    waiting = operator.get(DEAD_LETTERS).context["cl"].result_list
    everything = operator.get(DEAD_LETTERS, {"state": "all"}).context["cl"].result_list

    assert settled not in waiting
    assert len(everything) == 2
    assert "Resolved by replay (1)" in text(operator, DEAD_LETTERS)


def test_a_replay_is_confirmed_by_its_count_first(operator: Client) -> None:
    deliver(NO_BED, adt("A01", "2", bed=""))

    answer = replay(operator, *DeadLetter.objects.all())

    assert "Replay 2 messages" in answer.content.decode()
    assert DeadLetter.objects.open().count() == 2


def test_before_a_replay_its_rows_are_shown_and_that_is_audited(client: Client) -> None:
    client.force_login(root())
    deliver(NO_BED)
    letter = DeadLetter.objects.get()
    Revision.objects.create(message=letter.message, raw=adt("A01"), reason="-", edited_by=User.objects.get())

    words = replay(client, letter).content.decode()

    assert "bed427" in words
    assert not Stay.objects.exists()
    assert AuditEvent.objects.get(code="message.preview").object_id == str(letter.message_id)


def test_before_a_replay_of_many_the_totals_of_a_sample_are_shown(operator: Client) -> None:
    deliver(*(adt("A01", str(number), bed="") for number in range(SAMPLE + 1)))

    words = tagless(replay(operator, *DeadLetter.objects.all()).content.decode())

    assert f"Of the first {SAMPLE} of {SAMPLE + 1}, applied now and in order: {SAMPLE} would fail again" in words
    assert f"{SAMPLE} The assigned patient location is empty" in words


def test_one_who_may_not_read_messages_sees_no_rows_before_a_replay(client: Client) -> None:
    client.force_login(staff("olu", "view_deadletter", "replay_deadletter"))
    deliver(NO_BED)

    words = tagless(replay(client, DeadLetter.objects.get()).content.decode())

    assert "Applied now and in order: 1 would fail again" in words


def test_a_confirmed_replay_is_requested_audited_and_returns_to_the_same_filter(operator: Client) -> None:
    deliver(NO_BED, adt("A01", "2", bed=""))
    url = f"{DEAD_LETTERS}?error_class=missing-field"

    answer = replay(operator, *DeadLetter.objects.all(), url=url, post="yes")

    event = AuditEvent.objects.get(code="message.replay")
    assert answer.url == url
    assert list(DeadLetter.objects.values_list("state", "replay_requested_by__username")) == [("replaying", "olu")] * 2
    assert (event.action, event.actor, event.detail["count"]) == ("E", "olu", 2)
    assert set(event.detail["ids"]) == set(DeadLetter.objects.values_list("pk", flat=True))
    assert "2 queued for replay" in text(operator, url)


def test_all_matching_replays_what_the_filter_matches_beyond_the_page(operator: Client) -> None:
    deliver(*(adt("A01", str(number), bed="") for number in range(60)), oru(hr="fast"))
    one = DeadLetter.objects.latest("pk")

    confirmation = replay(operator, one, url=f"{DEAD_LETTERS}?error_class=missing-field", select_across=1)
    hidden = dict(confirmation.context["hidden"])
    deliver(adt("A01", "too late", bed=""))
    operator.post(f"{DEAD_LETTERS}?error_class=missing-field", {**hidden, "post": "yes"})

    assert confirmation.context["count"] == 60
    assert DeadLetter.objects.filter(state="replaying", error_class="missing-field").count() == 60


def test_a_letter_is_not_replayed_twice(operator: Client) -> None:
    deliver(NO_BED)
    letter = DeadLetter.objects.get()

    replay(operator, letter, post="yes")
    replay(operator, letter, url=f"{DEAD_LETTERS}?state=all", post="yes")

    assert AuditEvent.objects.filter(code="message.replay").count() == 1
    assert "none of these is open" in text(operator, DEAD_LETTERS)


def test_the_detail_page_replays_its_letter_and_returns(operator: Client) -> None:
    deliver(NO_BED)
    letter = DeadLetter.objects.get()
    url = reverse("admin:interconnect_deadletter_replay", args=[letter.pk])

    asked = operator.post(url)
    answer = operator.post(url, {"post": "yes"})

    assert "Replay 1 message" in asked.content.decode()
    assert answer["Location"].startswith(change_url(letter))
    assert "Replay requested" in text(operator, answer["Location"])


def test_nobody_replays_by_following_a_link(operator: Client) -> None:
    deliver(NO_BED)

    answer = operator.get(reverse("admin:interconnect_deadletter_replay", args=[DeadLetter.objects.get().pk]))

    assert answer.status_code == 405


@pytest.mark.django_db(transaction=True)
def test_the_outcome_of_a_replay_is_on_the_list_and_in_the_history(operator: Client) -> None:
    deliver(NO_BED)
    letter = DeadLetter.objects.get()
    replay(operator, letter, post="yes")
    drain()

    again = InboundMessage.objects.latest("pk")
    history = text(operator, change_url(letter))

    assert f"Replayed, failed again ADT^A01 #{again.pk}" in text(operator, f"{DEAD_LETTERS}?state=replayed")
    assert "olu asked for a replay" in history
    assert f"#{again.pk} replay of #{letter.message_id}" in history
    assert f"#{letter.message_id} first delivery" in text(operator, change_url(again))


def test_a_viewer_sees_no_replay_and_a_forged_one_is_refused(client: Client) -> None:
    deliver(NO_BED)
    client.force_login(staff("mo", *VIEW))
    letter = DeadLetter.objects.get()

    seen = page(client, DEAD_LETTERS) + page(client, change_url(letter))
    forged = replay(client, letter, post="yes")
    forged_detail = client.post(reverse("admin:interconnect_deadletter_replay", args=[letter.pk]), {"post": "yes"})

    assert "replay_selected" not in seen
    assert ">Replay<" not in seen
    assert (forged.status_code, forged_detail.status_code) == (403, 403)
    assert DeadLetter.objects.open().count() == 1


@pytest.mark.parametrize("url", [MESSAGES, DEAD_LETTERS, reverse("admin:index")])
def test_a_clinician_cannot_open_the_admin(client: Client, url: str) -> None:
    client.force_login(User.objects.create_user("amara", role=User.Role.NURSE))

    answer = client.get(url)

    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, reverse("admin:login"))


def test_messages_and_dead_letters_are_never_added_or_deleted_by_hand(client: Client) -> None:
    deliver(NO_BED)
    client.force_login(root())
    letter = DeadLetter.objects.get()
    deletions = [change_url(row).replace("change", "delete") for row in (letter, letter.message)]

    statuses = [client.get(url).status_code for url in (*deletions, f"{MESSAGES}add/", f"{DEAD_LETTERS}add/")]

    assert statuses == [403] * 4
