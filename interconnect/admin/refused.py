"""Refused frames: what came, why it was not accepted, and the answer that was sent."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit.admin import record
from epicops.admin_site import ReadOnlyModelAdmin, RecentValuesFilter, timestamp
from epicops.crypto import SealBroken
from interconnect.admin.body import body
from interconnect.models import RefusedFrame


class ReasonFilter(RecentValuesFilter):
    title = parameter_name = "reason"


class PeerFilter(RecentValuesFilter):
    title = parameter_name = "peer"


@admin.register(RefusedFrame)
class RefusedFrameAdmin(ReadOnlyModelAdmin[RefusedFrame]):
    intro = "What senders were told they must not send: no HL7, or none for us. It never reached the queue."
    list_display = ("when", "why", "sent_by", "size", "repeats")
    list_filter = (ReasonFilter, PeerFilter)

    @admin.display(description="received at")
    def when(self, frame: RefusedFrame) -> SafeString | str:
        return timestamp(frame.received_at)

    @admin.display(description="reason")
    def why(self, frame: RefusedFrame) -> SafeString:
        return format_html("{}<small>answered {}</small>", frame.reason, frame.code or "nothing")

    @admin.display(description="sender")
    def sent_by(self, frame: RefusedFrame) -> SafeString:
        return format_html("{}<small>{} {}</small>", frame.peer, frame.application, frame.facility)

    def opened(self, request: HttpRequest, obj: RefusedFrame) -> dict[str, Any]:
        record(request, "R", "refusedframe.view", "refusedframe", obj.pk)
        try:
            head = body(obj.beginning())
        except SealBroken:
            head = None
        return {"frame": obj, "body": head, "answer": body(bytes(obj.answer))}
