"""The audit trail for operators, and admin pages that write to it."""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from audit.models import AuditEvent
from epicops.admin_site import IntroducedModelAdmin, ReadOnlyModelAdmin, RecentValuesFilter, operator, timestamp

M = TypeVar("M", bound=Model)


def record(request: HttpRequest, action: str, code: str, kind: str = "", pk: object = "", **about: Any) -> None:
    """Write down what the operator behind a request did, and to which object; `about` is as in `audit.models.About`."""
    about |= {"actor": operator(request), "request": request, "object_type": kind, "object_id": pk}
    AuditEvent.objects.record(action, code, **about)


class CodeFilter(RecentValuesFilter):
    title = parameter_name = "code"


class ActorFilter(RecentValuesFilter):
    title = parameter_name = "actor"


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyModelAdmin[AuditEvent]):
    intro = "What people and machines did, as it was written. No row can be changed."
    list_display = ("when", "code", "action", "actor", "object_type", "object_id", "patient_id", "source_ip")
    list_filter = (CodeFilter, ActorFilter, "recorded_at")

    @admin.display(description="recorded at")
    def when(self, event: AuditEvent) -> SafeString | str:
        return timestamp(event.recorded_at)


class AuditedModelAdmin(IntroducedModelAdmin[M]):
    """An editable page. What is done there becomes audit events with the names of the fields, not their values."""

    def log_addition(self, request: HttpRequest, obj: M, message: Any) -> LogEntry:
        self._record(request, AuditEvent.Action.CREATE, "add", obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: M, message: Any) -> LogEntry:
        self._record(request, AuditEvent.Action.UPDATE, "change", obj, message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[M]) -> list[LogEntry]:
        for obj in queryset:
            self._record(request, AuditEvent.Action.DELETE, "delete", obj, "")
        return super().log_deletions(request, queryset)

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False  # clinical rows and the audit trail refer to it

    def _record(self, request: HttpRequest, action: AuditEvent.Action, verb: str, obj: M, message: Any) -> None:
        kind, detail = str(self.opts.model_name), {"fields": changed_fields(message)}
        record(request, action, f"{kind}.{verb}", kind, obj.pk, detail=detail)


def changed_fields(message: list[Mapping[str, Any]] | str) -> list[str]:
    """Return the field labels in the admin's change message."""
    if isinstance(message, str):
        return [message]
    return [str(field) for part in message for field in part.get("changed", {}).get("fields", ())]
