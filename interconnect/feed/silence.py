"""Whether a feed is silent: judged by what it sent in the same hours of earlier weeks."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from django.utils.timezone import get_default_timezone

from interconnect.feed.feeds import Feed, FeedHour

HOUR = timedelta(hours=1)
WEEK = timedelta(weeks=1)
WEEKS = 8  # looked back
TOO_MANY = 10.0  # messages that should have come: by chance alone none comes once in 22,000 such times
NOT_BEFORE = timedelta(minutes=5)
LONGEST = timedelta(days=14)  # summed up at most

Hours = Mapping[datetime, int]  # messages of a feed, by the beginning of the hour


def histories(feeds: Collection[Feed], now: datetime) -> dict[int, Hours]:
    """Return what each of the feeds sent as far back as anybody looks: one query."""
    found: dict[int, dict[datetime, int]] = defaultdict(dict)
    rows = FeedHour.objects.filter(feed__in=feeds, hour__gte=now - LONGEST - WEEKS * WEEK)
    for feed_id, hour, messages in rows.values_list("feed_id", "hour", "messages"):
        found[feed_id][hour] = messages
    return {feed.pk: found[feed.pk] for feed in feeds}


def silent(feeds: Collection[Feed], now: datetime) -> set[int]:
    """Return the ids of those that somebody should look at: one query, of the feeds that are quiet just now."""
    quiet = [feed for feed in feeds if now - feed.last_seen_at > NOT_BEFORE]
    hours = histories(quiet, now) if quiet else {}
    return {feed.pk for feed in quiet if missing(feed, hours[feed.pk], now) >= TOO_MANY}


def missing(feed: Feed, hours: Hours, now: datetime) -> float:
    """Return how many messages the feed would have sent by now since its last one."""
    since = max(feed.last_seen_at, now - LONGEST)
    expected, start = 0.0, beginning(since)
    while start < now:
        share = (min(now, start + HOUR) - max(since, start)) / HOUR
        expected += share * usual(feed, hours, start)
        start += HOUR
    return expected


def usual(feed: Feed, hours: Hours, hour: datetime) -> float:
    """Return messages per hour: the mean of this hour of the week, of all hours while there is no such hour yet."""
    known = [hours.get(past, 0) for past in _alike(hour, get_default_timezone()) if past >= feed.first_seen_at]
    if known:
        return sum(known) / len(known)
    lifetime = max((feed.last_seen_at - feed.first_seen_at) / HOUR, 1.0)
    return sum(hours.values()) / lifetime


@lru_cache(maxsize=1024)  # the same for all feeds
def _alike(hour: datetime, zone: tzinfo) -> list[datetime]:
    """Return this hour in earlier weeks, by the clock on the facility's wall: people and their systems go by that."""
    here = hour.astimezone(zone)
    return [beginning((here - number * WEEK).astimezone(UTC)) for number in range(1, WEEKS + 1)]


def beginning(moment: datetime) -> datetime:
    """Return when its hour began."""
    return moment.replace(minute=0, second=0, microsecond=0)
