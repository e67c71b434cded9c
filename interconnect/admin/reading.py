"""Whoever reads a message is on record."""

from django.http import HttpRequest

from audit.models import AuditEvent
from epicops.admin_site import operator


def record_reading(request: HttpRequest, code: str, message_id: int, patient_id: int | None) -> None:
    """Record that this request shows what a message says, of its patient if there is one."""
    AuditEvent.objects.record(
        AuditEvent.Action.READ,
        code,
        actor=operator(request),
        request=request,
        patient_id=patient_id,
        object_type="inboundmessage",
        object_id=message_id,
    )
