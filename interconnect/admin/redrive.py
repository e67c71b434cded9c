"""Supervised replays: limits and a count to confirm, then a page that says how far it is and takes orders."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from audit.admin import record
from epicops.admin_site import ReadOnlyModelAdmin, badge, operator, timestamp
from epicops.passive import passive
from interconnect.admin.preview import outlook
from interconnect.admin.selection import confirmation, confirmed_only
from interconnect.dlq.redrive import LIMITS, report, start, turn
from interconnect.exports import csv_lines, download
from interconnect.models import DeadLetter, DeadLetterQuerySet, Redrive, RedriveItem, Repair

Item, State = RedriveItem.State, DeadLetter.State
FAILED_SHOWN = 20
REPORT = {  # column of the CSV report: where it is found
    "letter": "letter_id",
    "message": "letter__message_id",
    "type": "letter__message__message_type",
    "sender": "letter__message__sending_application",
    "facility": "letter__message__sending_facility",
    "error": "letter__error_class",
    "where": "letter__error_path",
    "outcome": "state",
    "delivered_as": "letter__message__replays",
    "new_letter": "letter__message__replays__dead_letter",
    "new_error": "letter__message__replays__dead_letter__error_class",
    "new_where": "letter__message__replays__dead_letter__error_path",
}


class RedriveForm(forms.ModelForm[Redrive]):
    class Meta:
        model = Redrive
        fields = LIMITS
        widgets = {name: forms.TimeInput(attrs={"type": "time"}) for name in ("opens_at", "closes_at")}

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if bool(given.get("opens_at")) != bool(given.get("closes_at")):
            self.add_error("closes_at", "Give both ends, or none.")
        return given


def redrive_letters(
    request: HttpRequest, letters: DeadLetterQuerySet, back: str, selection: str, repair: Repair | None = None
) -> HttpResponse:
    """Ask for the limits; once given, start the redrive of the open ones of these letters and show its page.

    `selection` is the query of the list that has the letters. A repair is made on each, and the first failure stops it.
    """
    letters = confirmed_only(request, letters)
    redrive = Redrive(started_by_id=operator(request).pk, selection=selection[:500], repair=repair)
    if repair:
        redrive.stop_percent = 0
    form = RedriveForm(request.POST if "post" in request.POST else None, instance=redrive)
    if form.is_valid():
        return HttpResponseRedirect(page_of(start(form.instance, letters)))
    outcome = outlook(request, letters, repair)
    return confirmation(request, letters, "redrive", form=form, back=back, repair=repair, **outcome)


@admin.register(Redrive)
class RedriveAdmin(ReadOnlyModelAdmin[Redrive]):
    intro = "Replays of many dead letters under supervision. Choose letters or failures, then the action Redrive."
    list_display = ("when", "outcome", "started_by", "rate")
    list_filter = ("state",)
    list_select_related = ("started_by",)

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "interconnect_redrive"
        return [
            path("<int:pk>/turn/", view(require_POST(self.turn)), name=f"{name}_turn"),
            path("<int:pk>/progress/", passive(view(self.progress)), name=f"{name}_progress"),
            path("<int:pk>/report/", view(self.report), name=f"{name}_report"),
            *super().get_urls(),
        ]

    def has_redrive_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("interconnect.redrive_deadletter")

    def turn(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Pause it, cancel it, or go on with the limits that were posted."""
        if not self.has_redrive_permission(request):
            raise PermissionDenied
        redrive = get_object_or_404(Redrive, pk=pk)
        form = RedriveForm(request.POST, instance=redrive)
        state = request.POST.get("state")
        try:
            if state in (Redrive.State.PAUSED, Redrive.State.CANCELLED):
                turn(pk, state, by=operator(request))
            elif form.is_valid():
                turn(pk, Redrive.State.RUNNING, by=operator(request), limits=form.cleaned_data)
            else:
                messages.error(request, " ".join(str(words) for problem in form.errors.values() for words in problem))
        except ValueError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(page_of(redrive))

    def progress(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Return the part of the page that changes."""
        redrive = self._visible(request, pk)
        return render(request, "admin/interconnect/redrive/progress.html", progress(redrive))

    def report(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """Download what became of each letter, in the order of replay."""
        redrive = self._visible(request, pk)
        detail = {"count": redrive.items.count()}
        record(request, "R", "redrive.report", "redrive", pk, detail=detail)
        return download(csv_lines(list(REPORT), report_rows(redrive)), f"redrive-{pk}.csv", "text/csv; charset=utf-8")

    def _visible(self, request: HttpRequest, pk: int) -> Redrive:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(Redrive, pk=pk)

    def opened(self, request: HttpRequest, obj: Redrive) -> dict[str, Any]:
        may_turn = not obj.has_ended and self.has_redrive_permission(request)
        return {**progress(obj), "form": RedriveForm(instance=obj) if may_turn else None}

    @admin.display(description="started at")
    def when(self, redrive: Redrive) -> SafeString | str:
        return timestamp(redrive.started_at)

    @admin.display(description="state")
    def outcome(self, redrive: Redrive) -> SafeString:
        return badge(redrive.state, redrive.get_state_display())


def progress(redrive: Redrive) -> dict[str, Any]:
    """Return what the page says of how far it is; `seconds` is what the rate alone would still take."""
    counts = report(redrive)
    failed = redrive.items.filter(state__in=(Item.RELEASED, Item.FAILED_AGAIN), letter__state=State.FAILED_AGAIN)
    return {
        "redrive": redrive,
        "total": counts.total(),
        "finished": counts.total() - counts[Item.WAITING] - counts[Item.RELEASED],
        "counts": [(state.value, state.label, counts[state]) for state in Item],
        "seconds": counts[Item.WAITING] // redrive.rate,
        "failed": failed.select_related("letter").order_by("letter_id")[:FAILED_SHOWN],
        "failed_count": counts[Item.FAILED_AGAIN],
    }


def report_rows(redrive: Redrive) -> Iterator[tuple[Any, ...]]:
    return redrive.items.order_by("letter_id").values_list(*REPORT.values()).iterator()


def page_of(redrive: Redrive) -> str:
    return reverse("admin:interconnect_redrive_change", args=[redrive.pk])
