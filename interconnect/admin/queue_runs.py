"""Runs of the queue's server: when another one took over, what it may lack, and what came back."""

from django.contrib import admin
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.html import format_html
from django.utils.safestring import SafeString

from epicops.admin_site import ReadOnlyModelAdmin, badge, timestamp
from interconnect.models import QueueRun


@admin.register(QueueRun)
class QueueRunAdmin(ReadOnlyModelAdmin[QueueRun]):
    intro = "Each run of the queue's Redis server: what it lacked when it took over, and what came back."
    list_display = ("seen", "run", "missing", "waited", "recognised", "state")
    list_display_links = None

    @admin.display(description="first seen at")
    def seen(self, run: QueueRun) -> SafeString:
        return format_html("{}<small>last at {}</small>", timestamp(run.seen_from), timestamp(run.seen_at))

    @admin.display(description="run")
    def run(self, run: QueueRun) -> SafeString:
        return format_html("<code>{}</code><small>offset {}</small>", run.run_id[:12], intcomma(run.offset))

    @admin.display(description="missing of the run before")
    def missing(self, run: QueueRun) -> str:
        return "not known" if run.missing_bytes is None else f"{intcomma(run.missing_bytes)} bytes"

    @admin.display(description="waited")
    def waited(self, run: QueueRun) -> str:
        return str(intcomma(run.backlog))

    @admin.display(description="state")
    def state(self, run: QueueRun) -> SafeString:
        left = f"Guarded: {intcomma(run.unchecked)} to go"
        return badge("replaying", left) if run.is_guarded else badge("resolved", "As usual")
