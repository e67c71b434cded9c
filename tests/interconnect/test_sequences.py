"""Numbers that never came."""

import random
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.models import F
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from interconnect.feed.feeds import Gap
from interconnect.feed.sequence_scan import scan
from interconnect.models import Feed, FeedSequence, InboundMessage
from tests.builders import drain, push
from tests.operators import staff

NOW = 1_800_000_000


def counted(*numbers: int, series: str = "MSH-10") -> FeedSequence:
    """A sequence that proved itself from 1001 to 1100, and then took these."""
    sequence = FeedSequence()
    sequence.take([(series, number) for number in range(1001, 1101)], NOW)
    sequence.take([(series, number) for number in numbers], NOW + 60)
    return sequence


def test_a_number_that_is_left_out_is_missing() -> None:
    assert counted(1101, 1104, 1105).missing() == [Gap(1102, 1103, NOW + 60)]


def test_a_late_number_fills_its_gap_and_is_counted() -> None:
    sequence = counted(1105)
    sequence.take([("MSH-10", 1102), ("MSH-10", 1104)], NOW + 120)

    assert sequence.missing() == [Gap(1101, 1101, NOW + 60), Gap(1103, 1103, NOW + 60)]
    assert sequence.late == 2


def test_the_order_of_what_is_read_together_says_nothing() -> None:
    numbers = list(range(1101, 1301))
    random.Random(1).shuffle(numbers)

    sequence = counted(*numbers)

    assert (sequence.missing(), sequence.late, sequence.is_proven) == ([], 0, True)


def test_what_is_sent_again_says_nothing() -> None:
    assert counted(1101, 1100, 1099, 1102).missing() == []


@pytest.mark.parametrize("start", [0, 1, 500_000])
def test_a_counter_that_begins_anew_leaves_no_gap(start: int) -> None:
    assert counted(1101, start, start + 1, start + 2).missing() == []


def test_a_new_series_fills_no_gap_of_the_one_before() -> None:
    sequence = counted(1105, 1, *range(2, 1200))

    assert sequence.missing() == [Gap(1101, 1104, NOW + 60)]


def test_random_numbers_are_no_sequence() -> None:
    chance, sequence = random.Random(1), FeedSequence()

    sequence.take([("MSH-10", chance.randrange(10**9)) for _ in range(1000)], NOW)

    assert (sequence.is_proven, sequence.missing()) == (False, [])


def test_a_gap_is_forgotten_after_a_month() -> None:
    sequence = counted(1102)
    sequence.take([("MSH-10", 1103)], NOW + 31 * 86_400)

    assert sequence.missing() == []


def numbered(number: int, sequence_number: str = "") -> bytes:
    return f"MSH|^~\\&|LAB|X|C|D|20260101||ADT^A60|L{number:05}|P|2.5|{sequence_number}\nPID|1||1\n".encode()


def settle() -> None:
    InboundMessage.objects.update(applied_at=F("applied_at") - timedelta(minutes=1))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("has_sequence_number", [False, True])
def test_the_numbers_of_what_was_delivered_are_read_once_it_has_settled(*, has_sequence_number: bool) -> None:
    numbers = [*range(100, 150), 152]
    push(*(numbered(number, str(number + 1000) if has_sequence_number else "") for number in numbers))
    drain()
    unsettled = scan()
    settle()

    assert (unsettled, scan(), scan()) == (0, 51, 0)
    sequence = Feed.objects.get().sequence
    assert sequence.series == ("MSH-13" if has_sequence_number else "MSH-10 L")
    assert [(gap.first, gap.last) for gap in sequence.missing()] == (
        [(1150, 1151)] if has_sequence_number else [(150, 151)]
    )


@pytest.mark.django_db(transaction=True)
def test_a_sequence_number_of_any_length_keeps_nobody_from_counting_on() -> None:
    push(numbered(1), numbered(2, "9" * 300))
    drain()
    settle()

    assert (scan(), scan()) == (2, 0)


@pytest.mark.django_db(transaction=True)
def test_the_monitor_looks_for_gaps() -> None:
    push(*map(numbered, [*range(100, 150), 152]))
    drain()
    settle()

    call_command("run_monitor", "--once")

    assert [(gap.first, gap.last) for gap in Feed.objects.get().gaps()] == [(150, 151)]


@pytest.mark.django_db(transaction=True)
def test_a_gap_that_somebody_can_explain_is_dismissed_and_the_others_stay(client: Client) -> None:
    push(*map(numbered, [*range(100, 150), 152, *range(160, 170)]))
    drain()
    settle()
    scan()
    feed = Feed.objects.get()
    first, second = feed.gaps()
    client.force_login(staff("ola", "view_feed", "dismiss_gap"))
    page = reverse("admin:interconnect_feed_change", args=[feed.pk])
    dismiss = reverse("admin:interconnect_feed_dismiss", args=[feed.pk])

    client.post(dismiss, {"gap": second.name, "reason": ""})
    client.post(dismiss, {"gap": first.name, "reason": "the sender was reset"})
    push(numbered(150))
    drain()
    settle()
    scan()

    assert Feed.objects.get().gaps() == [second]
    shown = client.get(page).content.decode()
    assert "the sender was reset" in shown
    assert "7 missing of" in shown
    event = AuditEvent.objects.get(code="feed.gap-dismiss")
    assert event.detail == {"first": 150, "last": 151, "at": first.at}
