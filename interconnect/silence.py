"""Whether a feed is silent: judged by what it sent in the same hours of earlier weeks."""

from datetime import datetime, timedelta

from interconnect.feeds import Feed

HOUR = timedelta(hours=1)
WEEK = timedelta(weeks=1)
WEEKS = 8  # looked back
TOO_MANY = 10.0  # messages that should have come: by chance alone none comes once in 22,000 such times
NOT_BEFORE = timedelta(minutes=5)
LONGEST = timedelta(days=14)  # summed up at most


def missing(feed: Feed, now: datetime) -> float:
    """Return how many messages the feed would have sent by now since its last one."""
    since = max(feed.last_seen_at, now - LONGEST)
    rates = dict(feed.hours.filter(hour__gte=now - LONGEST - WEEKS * WEEK).values_list("hour", "messages"))
    expected, start = 0.0, since.replace(minute=0, second=0, microsecond=0)
    while start < now:
        share = (min(now, start + HOUR) - max(since, start)) / HOUR
        expected += share * _usual(feed, rates, start)
        start += HOUR
    return expected


def is_silent(feed: Feed, now: datetime) -> bool:
    """Say whether somebody should look at it."""
    return now - feed.last_seen_at > NOT_BEFORE and missing(feed, now) >= TOO_MANY


def _usual(feed: Feed, rates: dict[datetime, int], hour: datetime) -> float:
    """Return messages per hour: the mean of this hour of the week, of all hours while there is no such hour yet."""
    alike = [hour - number * WEEK for number in range(1, WEEKS + 1)]
    known = [rates.get(past, 0) for past in alike if past >= feed.first_seen_at]
    if known:
        return sum(known) / len(known)
    lifetime = max((feed.last_seen_at - feed.first_seen_at) / HOUR, 1.0)
    return sum(rates.values()) / lifetime
