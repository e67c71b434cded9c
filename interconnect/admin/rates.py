"""A feed's week, hour by hour: what came, beside what usually comes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from interconnect.feed.feeds import Feed
from interconnect.feed.silence import HOUR, beginning, histories, usual

DAYS: Final = 7
HEIGHT: Final = 40  # of the picture, in its own units; an hour is one wide


class Rate(NamedTuple):
    """Messages of one hour."""

    hour: datetime
    messages: int
    usual: float


class Chart(NamedTuple):
    """A picture of the hours: `bars` is an SVG path of what came, `line` the points of what usually comes."""

    rates: Sequence[Rate]
    width: int
    height: int
    bars: str
    line: str
    top: float


def chart(feed: Feed, now: datetime) -> Chart:
    """Draw the last seven days of a feed: one query."""
    hours = histories([feed], now)[feed.pk]
    first = beginning(now) - timedelta(days=DAYS) + HOUR
    starts = [first + number * HOUR for number in range(24 * DAYS)]
    rates = [Rate(hour, hours.get(hour, 0), usual(feed, hours, hour)) for hour in starts]
    top = max(max(rate.messages, rate.usual) for rate in rates) or 1
    bars = "".join(
        f"M{x + 0.5} {HEIGHT}v-{max(0.5, rate.messages / top * HEIGHT):.1f}"
        for x, rate in enumerate(rates)
        if rate.messages
    )
    line = " ".join(f"{x + 0.5},{HEIGHT * (1 - rate.usual / top):.1f}" for x, rate in enumerate(rates))
    return Chart(rates, len(rates), HEIGHT, bars, line, top)
