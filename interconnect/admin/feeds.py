"""Feeds: who delivers, how much, what is missing, and who has fallen silent."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.humanize.templatetags.humanize import intcomma, naturaltime
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from audit.admin import record
from epicops.admin_site import ReadOnlyModelAdmin, badge, operator, timestamp
from interconnect.admin.rates import chart
from interconnect.admin.sparkline import HOURS, sparkline
from interconnect.feed.feeds import FeedHour, Gap
from interconnect.feed.silence import HOUR, beginning, silent
from interconnect.models import Feed, RefusedFrame

GAPS_SHOWN = REFUSED_SHOWN = 20
TABLE_HOURS = 24


@admin.register(Feed)
class FeedAdmin(ReadOnlyModelAdmin[Feed]):
    intro = "Who sends: how much, when last, what is missing from a sender's numbers, and what was refused."
    list_display = ("sender", "state", "last_seen", "trend", "total", "again", "refused_frames")
    list_display_links = ("sender",)
    list_select_related = ("sequence",)
    ordering = ("-last_seen_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feed]:
        return super().get_queryset(request).select_related("sequence").prefetch_related("dismissals")

    def get_urls(self) -> list[URLPattern]:
        dismiss = self.admin_site.admin_view(require_POST(self.dismiss))
        return [path("<int:pk>/dismiss/", dismiss, name="interconnect_feed_dismiss"), *super().get_urls()]

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
            "may_dismiss": request.user.has_perm("interconnect.dismiss_gap"),
            "dismissals": obj.dismissals.select_related("dismissed_by")[:GAPS_SHOWN],
            "missing": sum(gap.size for gap in gaps),
            "refused": refused[:REFUSED_SHOWN] if request.user.has_perm("interconnect.view_refusedframe") else [],
        }

    def dismiss(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Count one gap as missing no longer, for a reason; then show the feed's page again."""
        if not request.user.has_perm("interconnect.dismiss_gap"):
            raise PermissionDenied
        feed = get_object_or_404(Feed, pk=pk)
        reason = request.POST.get("reason", "").strip()[:200]
        gap = next((gap for gap in feed.gaps() if gap.name == request.POST.get("gap")), None)
        if gap and reason:
            _dismiss(request, feed, gap, reason)
            messages.success(request, f"{gap.first} to {gap.last} count as missing no longer.")
        else:
            messages.error(request, "Choose a gap and say why: nothing was dismissed.")
        return HttpResponseRedirect(reverse("admin:interconnect_feed_change", args=[pk]))

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


@transaction.atomic
def _dismiss(request: HttpRequest, feed: Feed, gap: Gap, reason: str) -> None:
    person = operator(request)
    feed.dismissals.create(**gap._asdict(), reason=reason, dismissed_by_id=person.pk)
    record(request, "U", "feed.gap-dismiss", "feed", feed.pk, detail=gap._asdict())


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
