"""Feeds: who delivers, how much, and who has fallen silent."""

from django.contrib import admin
from django.contrib.humanize.templatetags.humanize import intcomma, naturaltime
from django.db.models import Sum
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from epicops.admin_site import ReadOnlyModelAdmin, badge, timestamp
from interconnect.models import Feed, RefusedFrame
from interconnect.silence import is_silent


@admin.register(Feed)
class FeedAdmin(ReadOnlyModelAdmin[Feed]):
    list_display = ("sender", "state", "last_seen", "total", "duplicates", "reused", "refused")
    list_display_links = None
    ordering = ("-last_seen_at",)

    @admin.display(description="sender")
    def sender(self, feed: Feed) -> str:
        return str(feed)

    @admin.display(description="state")
    def state(self, feed: Feed) -> SafeString:
        return badge("dead", "Silent") if is_silent(feed, timezone.now()) else badge("applied", "As usual")

    @admin.display(description="last message at")
    def last_seen(self, feed: Feed) -> SafeString:
        return format_html("{}<small>{}</small>", timestamp(feed.last_seen_at), naturaltime(feed.last_seen_at))

    @admin.display(description="messages")
    def total(self, feed: Feed) -> str:
        return str(intcomma(feed.messages))

    @admin.display(description="refused")
    def refused(self, feed: Feed) -> str:
        """Count the refused frames whose header named this sender."""
        frames = RefusedFrame.objects.order_by().filter(application=feed.application, facility=feed.facility)
        return str(intcomma(frames.aggregate(number=Sum("repeats"))["number"] or 0))
