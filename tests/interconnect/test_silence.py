from datetime import UTC, datetime, timedelta

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone
from django.utils.timezone import get_default_timezone

from epicops.portal import OPERATIONS
from interconnect.feed.silence import histories, missing, silent
from interconnect.models import Feed, FeedHour
from tests.factories import signed_in
from tests.operators import root

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 10, 30, tzinfo=UTC)  # a Wednesday
HOUR = timedelta(hours=1)


def feed(*, days: int, per_hour: int, silent_for: timedelta, nights: int | None = None, now: datetime = NOW) -> Feed:
    """A feed with a history: so many messages every hour, `nights` of them from midnight to six."""
    last = now - silent_for
    first = (last - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
    made = Feed.objects.create(
        application="LAB", facility="X", first_seen_at=first, last_seen_at=last, messages=1, duplicates=0, reused=0
    )
    hours = (first + number * HOUR for number in range(days * 24))
    FeedHour.objects.bulk_create(
        FeedHour(feed=made, hour=hour, messages=nights if nights is not None and hour.hour < 6 else per_hour)
        for hour in hours
    )
    return made


def is_silent(feed: Feed, now: datetime) -> bool:
    return feed.pk in silent([feed], now)


def test_a_busy_feed_is_silent_soon() -> None:
    busy = feed(days=15, per_hour=120, silent_for=timedelta(minutes=6))

    assert missing(busy, histories([busy], NOW)[busy.pk], NOW) == pytest.approx(12, abs=0.5)
    assert is_silent(busy, NOW)


def test_a_slow_feed_is_given_its_time() -> None:
    assert not is_silent(feed(days=15, per_hour=2, silent_for=timedelta(hours=2)), NOW)


def test_a_quiet_night_is_no_silence() -> None:
    daytime = feed(days=15, per_hour=100, silent_for=timedelta(hours=10, minutes=29), nights=0)

    assert not is_silent(daytime, NOW - timedelta(hours=4, minutes=31))
    assert is_silent(daytime, NOW)


@pytest.mark.parametrize(("changed", "opens"), [((2026, 10, 26), 7), ((2026, 3, 30), 6)])
def test_a_feed_that_opens_at_eight_does_so_by_the_clock_on_the_wall(
    settings: LazySettings, changed: tuple[int, int, int], opens: int
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    monday = datetime(*changed, tzinfo=get_default_timezone())  # clocks were changed on the day before
    hours = [monday - timedelta(weeks=4) + number * HOUR for number in range(4 * 7 * 24)]
    opened = [hour.astimezone(UTC) for hour in hours if 8 <= hour.hour < 18]
    last = opened[-1] + timedelta(minutes=59)
    made = Feed.objects.create(
        application="CLINIC", first_seen_at=opened[0], last_seen_at=last, messages=1, duplicates=0, reused=0
    )
    FeedHour.objects.bulk_create(FeedHour(feed=made, hour=hour, messages=100) for hour in opened)
    opening = monday.replace(hour=8).astimezone(UTC)

    assert opening.hour == opens
    assert not is_silent(made, opening)
    assert is_silent(made, opening + timedelta(minutes=30))


def test_a_feed_without_a_week_of_history_is_judged_by_its_mean() -> None:
    assert is_silent(feed(days=1, per_hour=60, silent_for=timedelta(minutes=20)), NOW)


def test_the_feeds_page_names_the_silent_one(client: Client) -> None:
    feed(days=15, per_hour=120, silent_for=timedelta(days=1), now=timezone.now())

    page = signed_in(client, root(), OPERATIONS).get("/admin/interconnect/feed/").content.decode()
    assert "LAB @ X" in page
    assert "Silent" in page
