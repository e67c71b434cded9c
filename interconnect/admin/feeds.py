"""Feeds: who delivers, how much, what is missing, and who has fallen silent."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.humanize.templatetags.humanize import intcomma, naturaltime
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from epicops.admin_site import BoundedPaginator, ReadOnlyModelAdmin, badge, timestamp
from interconnect.admin.rates import chart
from interconnect.admin.sparkline import HOURS, sparkline
from interconnect.feed.feeds import FeedHour
from interconnect.feed.silence import HOUR, beginning, silent
from interconnect.models import Feed, RefusedFrame

GAPS_SHOWN = REFUSED_SHOWN = 20
TABLE_HOURS = 24


@admin.register(Feed)
class FeedAdmin(ReadOnlyModelAdmin[Feed]):
    paginator = BoundedPaginator
    list_display = ("sender", "state", "last_seen", "trend", "total", "again", "refused_frames")
    list_display_links = ("sender",)
    list_select_related = ("sequence",)
    ordering = ("-last_seen_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feed]:
        return super().get_queryset(request).select_related("sequence")

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the page with the state of its feeds: two queries, however long it is."""
        changes = super().get_changelist_instance(request)
        describe(feeds := list(changes.result_list))
        changes.result_list = feeds
        return changes

    def opened(self, request: HttpRequest, obj: Feed) -> dict[str, Any]:
        describe([obj])
        drawn = chart(obj, timezone.now())
        gaps = obj.gaps()[::-1]
        refused = RefusedFrame.objects.filter(application=obj.application, facility=obj.facility).defer(
            "head", "answer"
        )
        return {
            "feed": obj,
            "state": state(obj),
            "chart": drawn,
            "rates": drawn.rates[: -TABLE_HOURS - 1 : -1],
            "sequence": getattr(obj, "sequence", None),
            "gaps": gaps[:GAPS_SHOWN],
            "missing": sum(gap.size for gap in gaps),
            "refused": refused[:REFUSED_SHOWN] if request.user.has_perm("interconnect.view_refusedframe") else [],
        }

    @admin.display(description="sender")
    def sender(self, feed: Feed) -> str:
        return str(feed)

    @admin.display(description="state")
    def state(self, feed: Feed) -> SafeString:
        shown = state(feed)
        number = sum(gap.size for gap in feed.gaps())
        return format_html("{}<small>{} missing</small>", shown, intcomma(number)) if number else shown

    @admin.display(description="last message at")
    def last_seen(self, feed: Feed) -> SafeString | str:
        if not feed.messages:
            return "never"
        return format_html("{}<small>{}</small>", timestamp(feed.last_seen_at), naturaltime(feed.last_seen_at))

    @admin.display(description="last 48 hours")
    def trend(self, feed: Feed) -> SafeString:
        return sparkline(feed.recent)

    @admin.display(description="messages")
    def total(self, feed: Feed) -> str:
        return str(intcomma(feed.messages))

    @admin.display(description="sent again")
    def again(self, feed: Feed) -> SafeString:
        reused = f"{feed.reused:,} control ids reused" if feed.reused else ""
        return format_html("{}<small>{}</small>", intcomma(feed.duplicates), reused)

    @admin.display(description="refused")
    def refused_frames(self, feed: Feed) -> str:
        return str(intcomma(feed.refused))


def state(feed: Feed) -> SafeString:
    return badge("dead", "Silent") if feed.is_silent else badge("applied", "As usual")


def describe(feeds: Sequence[Feed]) -> None:
    """Put on each feed whether it `is_silent`, and its `recent` hours, the oldest first."""
    now = timezone.now()
    start = beginning(now) - timedelta(hours=HOURS - 1)
    hours = [start + number * HOUR for number in range(HOURS)]
    rows = FeedHour.objects.filter(feed__in=feeds, hour__gte=start).values_list("feed_id", "hour", "messages")
    counts = {(feed_id, hour): number for feed_id, hour, number in rows}
    quiet = silent(feeds, now)
    for feed in feeds:
        feed.is_silent = feed.pk in quiet
        feed.recent = [counts.get((feed.pk, hour), 0) for hour in hours]
