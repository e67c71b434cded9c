"""When the letters of a failure came: one small picture each, drawn from one query for a whole page."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, DateTimeField, F, Func, Value
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from interconnect.models import DeadLetter

HOUR: Final = timedelta(hours=1)
HOURS: Final = 48
HEIGHT: Final = 24  # of the picture, in its own units; one per hour is its width


def hourly(groups: Iterable[int]) -> dict[int, list[int]]:
    """Return for each group how many letters died in each of the last HOURS hours, the oldest first."""
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    start = now - HOUR * (HOURS - 1)
    counts = {group: [0] * HOURS for group in groups}
    letters = DeadLetter.objects.filter(group__in=counts, failed_at__gte=start).order_by()
    hour = Func(Value(HOUR), F("failed_at"), Value(start), function="date_bin", output_field=DateTimeField())
    by_hour = letters.annotate(hour=hour).values_list("group", "hour")
    for group, hour, number in by_hour.annotate(number=Count("pk")):
        counts[group][_place(hour, start)] = number
    return counts


def _place(hour: datetime, start: datetime) -> int:
    return min((hour - start) // HOUR, HOURS - 1)


def sparkline(counts: Sequence[int]) -> SafeString:
    """Draw the counts as bars, with their sum in words for those who do not see them."""
    highest = max([*counts, 1])
    bars = "".join(
        f"M{x + 0.5} {HEIGHT}v-{max(2, round(number / highest * HEIGHT))}" for x, number in enumerate(counts) if number
    )
    words = f"{sum(counts):,} in the last {len(counts)} hours, {highest if any(counts) else 0:,} in the busiest"
    picture = (
        '<svg class="sparkline" role="img" aria-label="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">'
        '<path d="{}"/></svg>'
    )
    return format_html(picture, words, len(counts), HEIGHT, bars)
