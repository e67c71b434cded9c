"""Failures: the page where a shift begins. One line for every cause, whatever number of messages it stopped."""

from collections import Counter
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.humanize.templatetags.humanize import intcomma, naturaltime
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.views.decorators.http import require_POST

from audit.admin import record
from epicops.admin_site import ReadOnlyModelAdmin, badge, timestamp
from interconnect.admin.discard import discard_letters
from interconnect.admin.filters import ErrorFilter, TriageFilter
from interconnect.admin.messages import sender
from interconnect.admin.redrive import redrive_letters
from interconnect.admin.repairs import known_repairs
from interconnect.admin.replay import replay
from interconnect.admin.selection import ActsOnLetters
from interconnect.admin.sparkline import hourly, sparkline
from interconnect.admin.triage import TriageForm
from interconnect.dlq.failures import FailureGroup
from interconnect.models import DeadLetter

LETTERS_SHOWN = 10


@admin.register(FailureGroup)
class FailureGroupAdmin(ActsOnLetters, ReadOnlyModelAdmin[FailureGroup]):
    intro = "Dead letters by cause. Mend one letter, keep the edit as a repair, and apply it to the others."
    list_display = ("error", "sent", "triage", "letters", "trend", "seen")
    list_filter = (TriageFilter, ErrorFilter)
    list_select_related = ("owner",)
    actions = ("replay_groups", "discard_groups")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FailureGroup]:
        return super().get_queryset(request).prefetch_related("repairs")

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "interconnect_failuregroup"
        return [
            path("<int:pk>/triage/", view(require_POST(self.decide)), name=f"{name}_triage"),
            path("<int:pk>/replay/", view(require_POST(self.replay_all)), name=f"{name}_replay"),
            path("<int:pk>/redrive/", view(require_POST(self.redrive_all)), name=f"{name}_redrive"),
            path("<int:pk>/discard/", view(require_POST(self.discard_all)), name=f"{name}_discard"),
            *super().get_urls(),
        ]

    def has_triage_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("interconnect.triage_failuregroup")

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the page with the letters of its groups counted: two queries, however long it is."""
        changes = super().get_changelist_instance(request)
        describe(groups := list(changes.result_list))
        changes.result_list = groups
        return changes

    @admin.action(description="Replay the open letters of selected", permissions=("replay",))
    def replay_groups(self, request: HttpRequest, queryset: QuerySet[FailureGroup]) -> HttpResponse:
        return replay(request, DeadLetter.objects.filter(group__in=queryset), back=request.get_full_path())

    @admin.action(description="Discard the open letters of selected", permissions=("discard",))
    def discard_groups(self, request: HttpRequest, queryset: QuerySet[FailureGroup]) -> HttpResponse:
        return discard_letters(request, DeadLetter.objects.filter(group__in=queryset), back=request.get_full_path())

    def replay_all(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Replay every open letter of the failure whose page this was asked on."""
        group = self._group(request, pk, may=self.has_replay_permission(request))
        return replay(request, DeadLetter.objects.filter(group=group), back=page_of(group))

    def redrive_all(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Redrive every open letter of the failure whose page this was asked on."""
        group = self._group(request, pk, may=self.has_redrive_permission(request))
        return redrive_letters(request, DeadLetter.objects.filter(group=group), page_of(group), f"group={pk}")

    def discard_all(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Discard every open letter of the failure whose page this was asked on."""
        group = self._group(request, pk, may=self.has_discard_permission(request))
        return discard_letters(request, DeadLetter.objects.filter(group=group), back=page_of(group))

    @transaction.atomic
    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Record who does what about a failure; the words of the note stay out of the audit."""
        group = self._group(request, pk, may=self.has_triage_permission(request))
        group.refresh_from_db(from_queryset=FailureGroup.objects.select_for_update())  # a letter may just be dying
        form = TriageForm(request.POST, instance=group)
        if not form.is_valid():
            for problem in form.errors.values():
                messages.error(request, " ".join(map(str, problem)))
            return HttpResponseRedirect(page_of(group))
        form.save()
        detail = {"state": group.state, "owner": group.owner_id, "changed": form.changed_data}
        record(request, "U", "failure.triage", "failuregroup", pk, detail=detail)
        messages.success(request, f"{group} is {group.get_state_display().lower()}.")
        return HttpResponseRedirect(page_of(group))

    def _group(self, request: HttpRequest, pk: int, *, may: bool) -> FailureGroup:
        if not may:
            raise PermissionDenied
        return get_object_or_404(FailureGroup, pk=pk)

    def opened(self, request: HttpRequest, obj: FailureGroup) -> dict[str, Any]:
        describe([obj])
        letters = obj.letters.select_related("message").defer("message__raw")
        return {
            "group": obj,
            "state": state_of(obj),
            "trend": sparkline(obj.hours),
            "newest": letters[:LETTERS_SHOWN],
            "repairs": known_repairs(request, obj),
            "form": TriageForm(instance=obj) if self.has_triage_permission(request) else None,
            "may_replay": obj.open_letters and self.has_replay_permission(request),
            "may_redrive": obj.open_letters and self.has_redrive_permission(request),
            "may_discard": obj.open_letters and self.has_discard_permission(request),
        }

    @admin.display(description="failure")
    def error(self, group: FailureGroup) -> SafeString:
        where = f"{group.error_class} {group.error_path}"
        return format_html("{}<small>{}</small>", group.error_text, where)

    @admin.display(description="message")
    def sent(self, group: FailureGroup) -> SafeString:
        return format_html("{}<small>{}</small>", group.message_type or "-", sender(group))

    @admin.display
    def letters(self, group: FailureGroup) -> SafeString:
        numbers = intcomma(group.open_letters), intcomma(group.all_letters)
        return format_html("<strong>{} open</strong><small>of {}</small>", *numbers)

    @admin.display(description="last 48 hours")
    def trend(self, group: FailureGroup) -> SafeString:
        return sparkline(group.hours)

    @admin.display(description="last seen")
    def seen(self, group: FailureGroup) -> SafeString:
        first = naturaltime(group.first_seen_at)
        return format_html("{}<small>first {}</small>", timestamp(group.last_seen_at), first)

    @admin.display(description="state")
    def triage(self, group: FailureGroup) -> SafeString:
        shown = badge("regressed", "Back again") if group.regressed_at else badge(*state_of(group))
        owner = group.owner.username if group.owner else ""
        known = "repair known" if group.repairs.all() else ""
        return format_html("{}<small>{}</small>", shown, ", ".join(filter(None, (owner, known))))


def describe(groups: list[FailureGroup]) -> None:
    """Add to each group `open_letters`, `all_letters` and `hours`, its letters of the last hours."""
    of_groups = DeadLetter.objects.filter(group__in=groups).order_by()
    counts: dict[int | None, Counter[str]] = {group.pk: Counter() for group in groups}
    for pk, state, number in of_groups.values_list("group", "state").annotate(number=Count("pk")):
        counts[pk][state] = number
    trends = hourly(group.pk for group in groups)
    for group in groups:
        group.open_letters = counts[group.pk][DeadLetter.State.OPEN]
        group.all_letters = counts[group.pk].total()
        group.hours = trends[group.pk]


def state_of(group: FailureGroup) -> tuple[str, str]:
    if group.state == FailureGroup.State.SNOOZED and not group.is_snooze_over and group.snoozed_until:
        return group.state, f"Snoozed until {localtime(group.snoozed_until):%Y-%m-%d %H:%M}"
    return ("open", "Open: snooze is over") if group.is_snooze_over else (group.state, group.get_state_display())


def page_of(group: FailureGroup) -> str:
    return reverse("admin:interconnect_failuregroup_change", args=[group.pk])
