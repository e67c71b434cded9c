"""Inbound messages: what came, and what became of each."""

from typing import Any

from django.contrib import admin
from django.db.models import BinaryField, QuerySet
from django.db.models.functions import Length, Substr
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from epicops.admin_site import badge, timestamp
from interconnect.admin.body import body
from interconnect.admin.compare import compare
from interconnect.admin.filters import SenderFilter, TypeFilter
from interconnect.admin.history import deliveries
from interconnect.admin.holds import hold_panel
from interconnect.admin.message_list import MessageListAdmin
from interconnect.admin.reading import record_reading
from interconnect.admin.search import MessagePaginator, SearchFilter
from interconnect.admin.timeline import find, timeline
from interconnect.consumer.duplicates import sent_before
from interconnect.consumer.queue import OVERSIZE
from interconnect.finding.mentions import mentioned
from interconnect.models import FailureGroup, InboundMessage


@admin.register(InboundMessage)
class InboundMessageAdmin(MessageListAdmin[InboundMessage]):
    intro = "Every message that was delivered, the newest first, and what became of it. Patients are masked."
    paginator = MessagePaginator
    list_display = ("when", "sent", "patient_hint", "outcome", "why")
    list_filter = (SearchFilter, "status", TypeFilter, SenderFilter)
    list_select_related = ("dead_letter",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/compare/<int:other>/", view(compare), name="interconnect_inboundmessage_compare"),
            path("timeline/", view(find), name="interconnect_timeline_find"),
            path("timeline/<slug:kind>/<int:pk>/", view(timeline), name="interconnect_timeline"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundMessage]:
        return super().get_queryset(request).defer("raw")  # up to 10 MiB each

    def version_of(self, row: InboundMessage) -> object:
        return row.pk, row.status, row.reason, row.dead_letter.state if hasattr(row, "dead_letter") else ""

    def message_of(self, row: InboundMessage) -> InboundMessage:
        return row

    def messages_of(self, rows: QuerySet[InboundMessage]) -> QuerySet[InboundMessage]:
        return rows

    @admin.display(description="delivered at")
    def when(self, message: InboundMessage) -> SafeString | str:
        return timestamp(message.applied_at)

    @admin.display(description="status")
    def outcome(self, message: InboundMessage) -> SafeString:
        return badge(message.status, message.get_status_display())

    @admin.display(description="message")
    def sent(self, message: InboundMessage) -> SafeString:
        what, who = message.message_type or "-", " ".join((message.control_id, sender(message)))
        return format_html("{}<small>{}</small>", what, who)

    @admin.display(description="reason")
    def why(self, message: InboundMessage) -> str | SafeString:
        """Say why it was skipped, or what is wrong with it and where to do something about that."""
        if not hasattr(message, "dead_letter"):
            return message.reason
        letter = message.dead_letter
        url = reverse("admin:interconnect_deadletter_change", args=[letter.pk])
        state = badge(letter.state, letter.get_state_display())
        return format_html('{}<small><a href="{}">{}</a> {}</small>', letter.error_text, url, letter, state)

    def opened(self, request: HttpRequest, obj: InboundMessage) -> dict[str, Any]:
        return message_panels(request, obj)


def sender(row: InboundMessage | FailureGroup) -> str:
    return " @ ".join(filter(None, (row.sending_application, row.sending_facility)))


def message_panels(request: HttpRequest, message: InboundMessage) -> dict[str, Any]:
    """Return a message's panels for a detail page; its body only for those who may read it, and that is audited."""
    panels = {"message": message, "sender": sender(message), "deliveries": deliveries(message.pk), "body": None}
    if request.user.has_perm("interconnect.view_inboundmessage"):
        letter = getattr(message, "dead_letter", None)
        record_reading(request, "message.view", message.pk, message.patient_id)
        raw, size = _beginning(message)
        panels["timelines"] = [
            (kind.capitalize(), reverse("admin:interconnect_timeline", args=[kind, pk])) for kind, pk in mentioned(raw)
        ]
        panels["sent_before"] = sent_before(message)
        panels |= hold_panel(request, raw)
        panels["body"] = body(raw, letter.error_path if letter else "", size)
    return panels


def _beginning(message: InboundMessage) -> tuple[bytes, int]:
    """Return the bytes of a message and how many they are; of one too large for anybody to read only the first."""
    raw = Substr("raw", 1, OVERSIZE, output_field=BinaryField())
    some, size = InboundMessage.objects.values_list(raw, Length("raw")).get(pk=message.pk)
    return bytes(some), size
