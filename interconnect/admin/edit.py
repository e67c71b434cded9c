"""Editing a dead letter: the text, what the handlers make of it while it is typed, the difference, the reason."""

from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models.functions import Length
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_list_or_404, get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from audit.admin import record
from epicops.admin_site import operator
from interconnect.admin.grid import NEW_PATH, NEW_VALUE, grid, overlaid
from interconnect.admin.messages import message_panels
from interconnect.admin.repairs import page_of
from interconnect.dlq.changes import Change, changes, is_about_identity
from interconnect.dlq.dead_letters import as_last_edited
from interconnect.dlq.repair import attempt, keep
from interconnect.dlq.repairs import Step, steps_between
from interconnect.dlq.revisions import EDITABLE_BYTES, TOO_LONG, as_bytes, as_text
from interconnect.dlq.second_look import consent_for
from interconnect.models import DeadLetter, InboundMessage, Repair, Revision
from interconnect.preview import forecast


class EditForm(forms.Form):
    """The message's text, and laid over it what was typed into the cells of its grid."""

    theirs: Revision | None = None  # what somebody saved while this was typed

    text = forms.CharField(
        max_length=EDITABLE_BYTES,
        strip=False,
        label="One segment a line",
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false", "autocomplete": "off", "wrap": "off"}),
    )
    reason = forms.CharField(max_length=300, required=False, label="Why", help_text="Never patient data")
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)  # the newest revision as far as the page says
    repair = forms.CharField(
        max_length=80, required=False, label="Keep as repair", help_text="A name: offered wherever this failure appears"
    )

    @property
    def base(self) -> str:
        """The text that the cells lie over, one segment a line."""
        return str(self["text"].value()).replace("\r\n", "\n")

    def clean_text(self) -> bytes:
        try:
            edited = as_bytes(overlaid(self.base, self.data))
            as_text(edited)  # not too long
        except ValueError as error:
            raise ValidationError(str(error)) from None
        return edited

    @property
    def newest(self) -> int | str:
        """What the page says is the newest revision, now that whoever reads it is told of `theirs`."""
        return self.theirs.pk if self.theirs else self["seen"].value() or ""

    def clean_repair(self) -> str:
        name = str(self.cleaned_data["repair"])
        if Repair.objects.filter(name=name).exists():
            raise ValidationError("There is a repair of this name.")
        return name


SETTLED: Final = "Somebody has replayed or discarded this letter meanwhile. Nothing was saved."
MEANWHILE: Final = (
    "{} has saved {} while you edited. Below is what yours changes of it. Keep yours all the same, and a replay "
    "delivers yours; theirs stays beside it."
)
EDIT: Final = ("interconnect.edit_deadletter", "interconnect.view_inboundmessage", "interconnect.view_deadletter")


class EditedMeanwhile(Exception):  # noqa: N818  named for the event
    """Somebody has saved `revision`, which the page does not know of."""

    def __init__(self, revision: Revision) -> None:
        super().__init__(revision.pk)
        self.revision = revision


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
    letter = get_object_or_404(DeadLetter.objects.select_related("message").defer("message__raw"), pk=pk)
    page = reverse("admin:interconnect_deadletter_change", args=[pk])
    try:
        current = _editable(letter)
        tried = attempt(_chosen_repair(request), current)
        newest = letter.message.revisions.first()
        form = EditForm(request.POST or None, initial={"text": as_text(tried), "seen": newest and newest.pk})
    except ValueError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(page)
    if letter.state != DeadLetter.State.OPEN and not form.is_bound:
        messages.error(request, SETTLED)
        return HttpResponseRedirect(page)
    shown = verdict(current, tried) if tried != current and not form.is_bound else {}
    if form.is_valid():
        edited = form.cleaned_data["text"]
        if "save" in request.POST and _is_saved(request, letter, form, current):
            messages.success(request, "Kept as a revision. A replay delivers it.")
            kept = Repair.objects.filter(name=form.cleaned_data["repair"]).first()
            return HttpResponseRedirect(page_of(kept) if kept else page)
        shown = verdict(bytes(form.theirs.raw) if form.theirs else current, edited)
    return TemplateResponse(
        request,
        "admin/interconnect/deadletter/edit.html",
        {
            **admin.site.each_context(request),
            **({} if "check" in request.POST else message_panels(request, letter.message)),
            **_inputs(request, letter, form),
            **shown,
            "title": f"Edit dead letter #{letter.pk}",
            "opts": DeadLetter._meta,
            "letter": letter,
        },
    )


def _editable(letter: DeadLetter) -> bytes:
    """Return what a replay of the letter delivers; ValueError, before it is here, where it is too long to be edited."""
    long = InboundMessage.objects.alias(size=Length("raw")).filter(size__gt=EDITABLE_BYTES)
    if long.filter(pk=letter.message_id).exists():
        raise ValueError(TOO_LONG)
    (current,) = as_last_edited([letter])
    return current


def _inputs(request: HttpRequest, letter: DeadLetter, form: EditForm) -> dict[str, Any]:
    """Return the form as fields or as text, whichever was asked for; fields only where the message has that form."""
    posted = request.POST
    mode = posted.get("switch") or posted.get("mode") or "fields"
    if "switch" in posted and form.is_valid():
        initial = form.cleaned_data | {"text": as_text(form.cleaned_data["text"])}
        form, posted = EditForm(initial=initial), QueryDict()
    sections = grid(form.base, letter.error_path, posted.dict()) if mode == "fields" else []
    new_value = {"new_path": posted.get(NEW_PATH, ""), "new_value": posted.get(NEW_VALUE, "")}
    return {"form": form, "sections": sections, "mode": mode, **new_value}


def _chosen_repair(request: HttpRequest) -> Repair | None:
    """Return the repair that is to be tried on this letter, None where none is."""
    chosen = request.GET.get("repair")
    try:
        return Repair.objects.get(pk=chosen) if chosen else None
    except (Repair.DoesNotExist, ValueError):
        raise Http404 from None


def _is_saved(request: HttpRequest, letter: DeadLetter, form: EditForm, current: bytes) -> bool:
    """Keep the edited text as a revision and the edit as a repair, or say in the form what is missing for that."""
    edited, name = form.cleaned_data["text"], form.cleaned_data["repair"]
    if not changes(current, edited):
        form.add_error("text", "Nothing is changed.")
    elif not form.cleaned_data["reason"]:
        form.add_error("reason", "Say why.")
    else:
        try:
            steps = steps_between(current, edited) if name else []
            _save(request, letter, form.cleaned_data, steps)
        except ValueError as error:
            form.add_error("repair", str(error))
        except DeadLetter.DoesNotExist:
            form.add_error(None, SETTLED)
        except EditedMeanwhile as conflict:
            form.theirs = conflict.revision
            form.add_error(None, MEANWHILE.format(form.theirs.edited_by, form.theirs))
    return form.is_valid()


@transaction.atomic
def _save(request: HttpRequest, letter: DeadLetter, given: dict[str, Any], steps: list[Step]) -> None:
    DeadLetter.objects.open().select_for_update().get(pk=letter.pk)  # not replayed meanwhile
    newest = letter.message.revisions.select_related("edited_by").first()
    if newest and newest.pk != given["seen"]:
        raise EditedMeanwhile(newest)
    person = operator(request)
    edited, reason = given["text"], given["reason"]
    if steps and letter.group:
        keep(given["repair"], letter.group, steps, by=person)
    (current,) = as_last_edited([letter])
    consent = consent_for(is_about_identity(changes(current, edited)))
    revision = Revision.objects.create(
        message=letter.message, raw=edited, reason=reason, edited_by_id=person.pk, consent=consent
    )
    _record(request, "message.edit", letter, revision)


@transaction.atomic
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Say as the second operator whether the edit that the page showed, the newest, counts, and return to the page."""
    if not request.user.has_perms(EDIT):
        raise PermissionDenied
    letter = get_object_or_404(DeadLetter.objects.select_related("message").select_for_update(of=("self",)), pk=pk)
    page = HttpResponseRedirect(reverse("admin:interconnect_deadletter_change", args=[pk]))
    revision, agreed = get_list_or_404(letter.message.revisions)[0], "agree" in request.POST
    if request.POST.get("revision") != str(revision.pk):  # nobody agrees to what they have not seen
        messages.error(request, "Somebody has edited the letter meanwhile: look at that first.")
        return page
    try:
        revision.decide(by=operator(request), agreed=agreed)
        _record(request, "message.edit-agree" if agreed else "message.edit-refuse", letter, revision)
        messages.success(request, f"{revision}: {revision.get_consent_display().lower()}.")
    except ValueError as error:
        messages.error(request, f"{error}.")
    return page


def _record(request: HttpRequest, code: str, letter: DeadLetter, revision: Revision) -> None:
    detail = {"revision": revision.pk, "letter": letter.pk}
    record(request, "U", code, "inboundmessage", letter.message_id, patient_id=letter.message.patient_id, detail=detail)
