"""Repairs: what an edit would make of every message that fails alike, and the order to do it."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from audit.admin import record
from epicops.admin_site import ReadOnlyModelAdmin, timestamp
from interconnect.admin.preview import sample
from interconnect.admin.redrive import redrive_letters
from interconnect.dlq.changes import changes
from interconnect.dlq.dead_letters import as_last_edited
from interconnect.dlq.repair import attempt
from interconnect.models import DeadLetter, DeadLetterQuerySet, FailureGroup, Repair
from interconnect.preview import add_up, forecast

RUNS_SHOWN = 20
MAY_APPLY = ("interconnect.redrive_deadletter", "interconnect.edit_deadletter", "interconnect.view_inboundmessage")


@admin.register(Repair)
class RepairAdmin(ReadOnlyModelAdmin[Repair]):
    intro = "Edits kept under a name, to be applied to each letter of the same failure. Edit a dead letter to make one."
    list_display = ("name", "failure", "when", "made_by")
    list_select_related = ("group", "made_by")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.apply))
        return [path("<int:pk>/apply/", view, name="interconnect_repair_apply"), *super().get_urls()]

    def apply(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make the repair on every open letter of its failure, a canary first, and replay them."""
        if not request.user.has_perms(MAY_APPLY):
            raise PermissionDenied
        repair = get_object_or_404(Repair, pk=pk)
        selection = f"group={repair.group_id}"
        return redrive_letters(request, letters_of(repair), page_of(repair), selection, repair)

    def opened(self, request: HttpRequest, obj: Repair) -> dict[str, Any]:
        letters = letters_of(obj)
        count = letters.count()
        return {
            "repair": obj,
            "group": obj.group,
            "count": count,
            "redrives": obj.redrives.all()[:RUNS_SHOWN],
            "may_apply": count and request.user.has_perms(MAY_APPLY),
            **trial(request, obj, letters),
        }

    @admin.display
    def failure(self, repair: Repair) -> SafeString:
        where = f"{repair.group.error_class} {repair.group.error_path}"
        return format_html("{}<small>{}</small>", repair.group.error_text, where)

    @admin.display(description="made at")
    def when(self, repair: Repair) -> SafeString | str:
        return timestamp(repair.made_at)


def known_repairs(request: HttpRequest, group: FailureGroup | None) -> list[Repair]:
    """Return what this failure was repaired with before, for those who may see it."""
    if group is None or not request.user.has_perm("interconnect.view_repair"):
        return []
    return list(group.repairs.select_related("made_by"))


def letters_of(repair: Repair) -> DeadLetterQuerySet:
    return DeadLetter.objects.open().filter(group=repair.group)


def trial(request: HttpRequest, repair: Repair, letters: DeadLetterQuerySet) -> dict[str, Any]:
    """Return what the repair makes of the first letters, and what those would do then; looking at them is audited."""
    found = sample(letters)
    before = as_last_edited(found)
    after = [attempt(repair, raw) for raw in before]
    pairs = list(zip(found, before, after, strict=True))
    detail = {"count": len(found), "ids": [letter.pk for letter in found]}
    record(request, "R", "repair.preview", "repair", repair.pk, detail=detail)
    return {
        "differences": [(letter, changes(old, new)) for letter, old, new in pairs if old != new],
        "untouched": [letter for letter, old, new in pairs if old == new],
        "totals": add_up(forecast(after)),
    }


def page_of(repair: Repair) -> str:
    return reverse("admin:interconnect_repair_change", args=[repair.pk])
