"""Replay: a count to confirm, the request to the worker, the audit event."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html

from audit.admin import record
from epicops.admin_site import operator
from interconnect.admin.preview import outlook
from interconnect.admin.selection import confirmation, confirmed_only
from interconnect.dlq.discard import locked
from interconnect.models import DeadLetter, DeadLetterQuerySet, ReplayMode


class ReplayForm(forms.Form):
    mode = forms.ChoiceField(
        choices=ReplayMode.choices, initial=ReplayMode.ANYWAY, label="Newer messages", widget=forms.RadioSelect
    )


def replay(request: HttpRequest, letters: DeadLetterQuerySet, back: str) -> HttpResponse:
    """Ask how many are meant; once confirmed, hand them to the worker and return to `back`."""
    letters = confirmed_only(request, letters)
    form = ReplayForm(request.POST if "mode" in request.POST else None)
    if "post" not in request.POST or (form.is_bound and not form.is_valid()):
        return confirmation(request, letters, "replay", form=form, back=back, **outlook(request, letters))
    count = _request_replay(request, letters, form.cleaned_data["mode"] if form.is_bound else ReplayMode.ANYWAY)
    outcome = reverse("admin:interconnect_deadletter_changelist") + "?state=replayed"
    if count:
        text = format_html('{} queued for replay. <a href="{}">See what becomes of it</a>', count, outcome)
        messages.success(request, text)
    else:
        messages.warning(request, "Nothing to replay: none of these is open any more.")
    return HttpResponseRedirect(back)


@transaction.atomic
def _request_replay(request: HttpRequest, letters: DeadLetterQuerySet, mode: str) -> int:
    ids = locked(letters.replayable())
    if not ids:
        return 0
    person = operator(request)
    DeadLetter.objects.filter(pk__in=ids).request_replay(by=person, mode=mode)
    detail = {"count": len(ids), "ids": ids, "mode": mode}
    record(request, "E", "message.replay", "deadletter", ids[0] if len(ids) == 1 else "", detail=detail)
    return len(ids)
