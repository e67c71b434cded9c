"""The feeds' pages and metrics."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from epicops.portal import OPERATIONS
from interconnect.models import Feed, FeedSequence, RefusedFrame
from interconnect.wire.refused import Refusal, RefusalLog
from monitoring.alerts import Memory, look
from monitoring.metrics import exposition, of_feeds
from monitoring.models import Alert
from tests.builders import drain, push
from tests.factories import signed_in
from tests.interconnect.test_sequences import counted
from tests.interconnect.test_silence import feed as make_feed
from tests.mllp import message
from tests.operators import root, staff

pytestmark = pytest.mark.django_db


def page_of(client: Client, feed: Feed) -> str:
    return signed_in(client, root(), OPERATIONS).get(f"/admin/interconnect/feed/{feed.pk}/change/").content.decode()


def with_gap(feed: Feed) -> Feed:
    sequence: FeedSequence = counted(1104)
    sequence.feed = feed
    sequence.save()
    return feed


def refuse(head: bytes) -> None:
    log = RefusalLog()
    log.add(Refusal("Too large", len(head), head), "10.0.0.9")
    log.flush()


def test_the_page_draws_the_week_and_lists_what_is_missing(client: Client) -> None:
    feed = with_gap(make_feed(days=15, per_hour=120, silent_for=timedelta(minutes=1), now=timezone.now()))

    page = page_of(client, feed)

    assert 'class="rates"' in page
    assert "at most 120 an hour" in page
    assert "3 missing of <bdi>MSH-10</bdi>" in page
    assert "<td>1101</td><td>1103</td><td>3</td>" in page


def test_the_page_of_a_sender_that_does_not_count_says_so(client: Client) -> None:
    assert "do not count up" in page_of(client, make_feed(days=1, per_hour=1, silent_for=timedelta(minutes=1)))


def test_a_sender_sees_its_refused_frames_and_a_viewer_does_not(client: Client) -> None:
    feed = make_feed(days=1, per_hour=1, silent_for=timedelta(minutes=1))
    refuse(b"MSH|^~\\&|LAB|X|")
    viewer = signed_in(Client(), staff("vera", "view_feed"), OPERATIONS)

    assert "Too large" in page_of(client, feed)
    assert "Too large" not in viewer.get(f"/admin/interconnect/feed/{feed.pk}/change/").content.decode()


def test_the_list_takes_a_fixed_number_of_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = signed_in(client, root(), OPERATIONS)
    for number in range(5):
        made = make_feed(days=2, per_hour=9, silent_for=timedelta(hours=9), now=timezone.now())
        Feed.objects.filter(pk=made.pk).update(application=f"LAB{number}")

    with django_assert_num_queries(6):  # user, count, feeds, recent hours, silence
        assert "LAB4" in client.get("/admin/interconnect/feed/").content.decode()


def test_frames_count_for_the_sender_they_name_if_it_ever_delivered() -> None:
    make_feed(days=1, per_hour=1, silent_for=timedelta(minutes=1))
    for head in (b"hello", b"MSH|^~\\&|NOBODY|X|", b"MSH|^~\\&|LAB|X|"):
        refuse(head)
    RefusedFrame.objects.all().delete()
    refuse(b"hello")

    assert {str(feed): feed.refused for feed in Feed.objects.all()} == {"LAB @ X": 1, "(no sender)": 3}


def test_metrics_say_how_each_feed_is() -> None:
    with_gap(make_feed(days=15, per_hour=120, silent_for=timedelta(hours=1), now=timezone.now()))

    text = exposition().decode()

    assert 'epicops_feed_messages_total{feed="LAB @ X"} 1.0' in text
    assert 'epicops_feed_silent{feed="LAB @ X"} 1.0' in text
    assert 'epicops_feed_missing_numbers{feed="LAB @ X"} 3.0' in text


@pytest.mark.django_db(transaction=True)
def test_the_worker_counts_on_beside_refused_frames() -> None:
    push(message(1))
    drain()
    refuse(message(2))

    feed = Feed.objects.get()
    assert (feed.messages, feed.refused) == (1, 1)


def test_somebody_is_told_of_a_silent_feed_and_of_a_gap() -> None:
    memory, now = Memory(), timezone.now()
    with_gap(make_feed(days=15, per_hour=120, silent_for=timedelta(hours=1), now=now))

    for seconds in (0, 61):
        look(of_feeds(now), memory, now + timedelta(seconds=seconds))

    assert {(alert.rule.name, alert.label) for alert in Alert.objects.all()} == {
        ("Feed silent", "LAB @ X"),
        ("Feed gap", "LAB @ X"),
    }
