"""Discard: a reason and a count to confirm; and the page of each decision, where it can be taken back."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from epicops.admin_site import ReadOnlyModelAdmin, operator, timestamp
from interconnect.admin.selection import confirmation, confirmed_only
from interconnect.dlq.discard import decide, discard, restore
from interconnect.dlq.failures import Discard
from interconnect.models import DeadLetter, DeadLetterQuerySet


class DiscardForm(forms.ModelForm[Discard]):
    class Meta:
        model = Discard
        fields = ("reason", "text")
        widgets = {"text": forms.Textarea(attrs={"rows": 2, "maxlength": 500})}


def discard_letters(request: HttpRequest, letters: DeadLetterQuerySet, back: str) -> HttpResponse:
    """Ask for the reason; once given, discard the open ones of these letters and return to `back`."""
    letters = confirmed_only(request, letters)
    form = DiscardForm(request.POST if "post" in request.POST else None)
    if not form.is_valid():
        return confirmation(request, letters, "discard", form=form, back=back)
    if decision := discard(letters, by=operator(request), **form.cleaned_data):
        url = reverse("admin:interconnect_discard_change", args=[decision.pk])
        text = (
            '{} wait until <a href="{}">a second operator agrees</a>.'
            if decision.is_waiting
            else '{} discarded. <a href="{}">Take it back</a> within 30 days.'
        )
        messages.success(request, format_html(text, decision.count, url))
    else:
        messages.warning(request, "Nothing to discard: none of these is open any more.")
    return HttpResponseRedirect(back)


@admin.register(Discard)
class DiscardAdmin(ReadOnlyModelAdmin[Discard]):
    intro = "Dead letters that somebody set aside, with the reason. They can be taken back for 30 days."
    list_display = ("when", "why", "count", "discarded_by")
    list_filter = ("consent", "reason")
    list_select_related = ("discarded_by",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/restore/", view(require_POST(self.restore)), name="interconnect_discard_restore"),
            path("<int:pk>/decide/", view(require_POST(self.decide)), name="interconnect_discard_decide"),
            *super().get_urls(),
        ]

    def has_restore_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("interconnect.restore_deadletter")

    def restore(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Open again what this decision discarded, and return to its page."""
        if not self.has_restore_permission(request):
            raise PermissionDenied
        decision = get_object_or_404(Discard, pk=pk)
        try:
            messages.success(request, f"{restore(decision, by=operator(request))} opened again.")
        except ValueError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:interconnect_discard_change", args=[pk]))

    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Agree or not, as the second operator, and return to the decision's page."""
        if not request.user.has_perm("interconnect.discard_deadletter"):
            raise PermissionDenied
        decision = get_object_or_404(Discard, pk=pk)
        try:
            decide(decision, by=operator(request), agreed="agree" in request.POST)
            messages.success(request, f"{decision}: {decision.get_consent_display().lower()}.")
        except ValueError as error:
            messages.error(request, f"{error}.")
        return HttpResponseRedirect(reverse("admin:interconnect_discard_change", args=[pk]))

    def opened(self, request: HttpRequest, obj: Discard) -> dict[str, Any]:
        discarded = Count("pk", filter=Q(state=DeadLetter.State.DISCARDED))
        still = obj.letters.aggregate(number=discarded)["number"]
        may_restore = still and obj.is_reversible and self.has_restore_permission(request)
        may_decide = request.user.has_perm("interconnect.discard_deadletter") and obj.may_be_decided_by(request.user)
        return {"discard": obj, "still": still, "may_restore": may_restore, "may_decide": may_decide}

    @admin.display(description="discarded at")
    def when(self, decision: Discard) -> SafeString | str:
        return timestamp(decision.discarded_at)

    @admin.display(description="reason")
    def why(self, decision: Discard) -> SafeString:
        return format_html("{}<small>{}</small>", decision.get_reason_display(), decision.text)
