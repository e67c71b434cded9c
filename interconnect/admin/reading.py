"""Whoever reads a message is on record."""

from django.http import HttpRequest

from audit.admin import record


def record_reading(request: HttpRequest, code: str, message_id: int, patient_id: int | None) -> None:
    """Record that this request shows what a message says, of its patient if there is one."""
    record(request, "R", code, "inboundmessage", message_id, patient_id=patient_id)
