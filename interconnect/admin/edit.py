"""Editing a dead letter: the text, what the handlers make of it while it is typed, the difference, the reason."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from audit.models import AuditEvent
from epicops.admin_site import operator
from interconnect.admin.messages import message_panels
from interconnect.dead_letters import as_last_edited
from interconnect.models import DeadLetter, InboundMessage, Revision
from interconnect.preview import forecast
from interconnect.revisions import EDITABLE_BYTES, Change, as_bytes, as_text, changes


class EditForm(forms.Form):
    text = forms.CharField(
        max_length=EDITABLE_BYTES,
        strip=False,
        label="One segment a line",
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false", "autocomplete": "off", "wrap": "off"}),
    )
    reason = forms.CharField(max_length=300, required=False, label="Why", help_text="Never patient data")

    def clean_text(self) -> bytes:
        try:
            return as_bytes(str(self.cleaned_data["text"]))
        except ValueError as error:
            raise ValidationError(str(error)) from None


EDIT = ("interconnect.edit_deadletter", "interconnect.view_inboundmessage", "interconnect.view_deadletter")


def revisions(request: HttpRequest, message: InboundMessage) -> list[tuple[Revision, list[Change]]]:
    """Return each revision of a message with its difference to the original, for those who may read messages."""
    if not request.user.has_perm("interconnect.view_inboundmessage"):
        return []
    kept = message.revisions.select_related("edited_by")
    return [(revision, changes(bytes(message.raw), bytes(revision.raw))) for revision in kept]


def verdict(raw: bytes, edited: bytes) -> dict[str, Any]:
    """Return what the edited message would do, nothing being applied, and what was changed."""
    return {"forecast": forecast([edited])[0], "changes": changes(raw, edited)}


def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the editor; with `check` in the request what the text would do, with `save` keep it as a revision."""
    if not request.user.has_perms(EDIT):
        raise PermissionDenied
    letter = get_object_or_404(DeadLetter.objects.open().select_related("message"), pk=pk)
    page = reverse("admin:interconnect_deadletter_change", args=[pk])
    (current,) = as_last_edited([letter])
    try:
        text = as_text(current)
    except ValueError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(page)
    form = EditForm(request.POST or None, initial={"text": text})
    shown: dict[str, Any] = {}
    if form.is_valid():
        edited = form.cleaned_data["text"]
        shown = verdict(current, edited)
        if "save" in request.POST and not shown["changes"]:
            form.add_error("text", "Nothing is changed.")
        elif "save" in request.POST and not form.cleaned_data["reason"]:
            form.add_error("reason", "Say why.")
        elif "save" in request.POST:
            _save(request, letter, edited, form.cleaned_data["reason"])
            messages.success(request, "Kept as a revision. A replay delivers it.")
            return HttpResponseRedirect(page)
    return TemplateResponse(
        request,
        "admin/interconnect/deadletter/edit.html",
        {
            **admin.site.each_context(request),
            **({} if "check" in request.POST else message_panels(request, letter.message)),
            **shown,
            "title": f"Edit {letter}",
            "opts": DeadLetter._meta,
            "letter": letter,
            "form": form,
        },
    )


@transaction.atomic
def _save(request: HttpRequest, letter: DeadLetter, edited: bytes, reason: str) -> None:
    DeadLetter.objects.open().select_for_update().get(pk=letter.pk)  # not replayed meanwhile
    person = operator(request)
    revision = Revision.objects.create(message=letter.message, raw=edited, reason=reason, edited_by_id=person.pk)
    AuditEvent.objects.record(
        AuditEvent.Action.UPDATE,
        "message.edit",
        actor=person,
        request=request,
        patient_id=letter.message.patient_id,
        object_type="inboundmessage",
        object_id=letter.message_id,
        detail={"revision": revision.pk, "letter": letter.pk},
    )
