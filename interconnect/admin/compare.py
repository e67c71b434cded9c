"""Two messages beside each other, field by field."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse

from interconnect.admin.reading import record_reading
from interconnect.dlq.changes import Change, changes
from interconnect.models import InboundMessage

MAX_SEGMENTS = 1000  # of either; to align more takes seconds


@transaction.atomic
def compare(request: HttpRequest, pk: int, other: int) -> HttpResponse:
    """Show how the later of two messages differs from the earlier; both are read, and that is audited."""
    if not request.user.has_perm("interconnect.view_inboundmessage"):
        raise PermissionDenied
    earlier, later = pair = [get_object_or_404(InboundMessage, pk=each) for each in sorted((pk, other))]
    for message in pair:
        record_reading(request, "message.view", message.pk, message.patient_id)
    context = {
        **admin.site.each_context(request),
        **differences(earlier, later),
        "title": f"{earlier} beside {later}",
        "opts": InboundMessage._meta,
        "pair": pair,
        "before_name": f"#{earlier.pk}",
        "after_name": f"#{later.pk}",
    }
    return TemplateResponse(request, "admin/interconnect/inboundmessage/compare.html", context)


def differences(earlier: InboundMessage, later: InboundMessage) -> dict[str, bool | str | list[Change]]:
    """Return the fields that differ, or why that cannot be said."""
    before, after = bytes(earlier.raw), bytes(later.raw)
    if any(len(raw.splitlines()) > MAX_SEGMENTS for raw in (before, after)):
        return {"problem": f"One of them has more than {MAX_SEGMENTS:,} segments."}
    try:
        alone = f"only in #{earlier.pk}", f"only in #{later.pk}"
        return {"changes": changes(before, after, alone), "is_identical": before == after}
    except ValueError as error:
        return {"problem": f"{error}."}
