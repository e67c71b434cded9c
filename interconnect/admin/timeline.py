"""The timeline of a patient, visit or bed: every message, its effect, its answer, and what still waits."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from redis.exceptions import RedisError

from audit.admin import record
from epicops.admin_site import pk_from
from interconnect.admin.history import chains
from interconnect.admin.holds import held_back, unsettled_holds
from interconnect.finding.effects import Effect, effects_of
from interconnect.finding.timeline import PAGE, SUBJECTS, Subject, message_ids, on_the_way, open_letters
from interconnect.finding.tokens import tokens_in
from interconnect.finding.waiting import Waiting
from interconnect.hl7.er7 import Header, peek_header
from interconnect.models import InboundMessage, Pause
from interconnect.wire import ack
from vitals.models import Bed, PatientIdentifier, Stay, Visit

HEAD: Final = 2000  # bytes of a message in which its MSH is
STAYS_SHOWN: Final = 20
FOUND_SHOWN: Final = 20


class Entry(NamedTuple):
    """One message with its replays; `message` is the last that concerns the subject."""

    message: InboundMessage
    chain: Sequence[InboundMessage]
    effect: Effect
    answer: str  # MSA-1, or why there was none


class FindForm(forms.Form):
    text = forms.CharField(max_length=100, label="Patient's number, visit number or bed")


def timeline(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Show one page of a timeline, the newest first; `before` in the address is where the page begins."""
    _require_reader(request)
    if kind not in SUBJECTS:
        raise Http404
    subject = SUBJECTS[kind](pk)
    before = pk_from(request.GET.get("before", ""))
    record(request, "R", "timeline.view", kind, pk, patient_id=pk if kind == "patient" else None)
    ids = message_ids(subject, before)
    shown = {
        "title": subject.name,
        "kind": kind,
        "subject": subject,
        "entries": entries(ids[:PAGE]),
        "older": ids[PAGE - 1] if len(ids) > PAGE else None,
        "before": before,
    }
    shown["may_resume"] = request.user.has_perm("interconnect.resume_pause")
    return _page(request, "timeline.html", shown if before else shown | _standing(subject))


def find(request: HttpRequest) -> HttpResponse:
    """Ask for a number and go to what has it; the number itself is posted, and part of no address."""
    _require_reader(request)
    form = FindForm(request.POST or None)
    found: list[tuple[str, str]] = []
    if form.is_valid():
        found = _found(form.cleaned_data["text"])
        if len(found) == 1:
            return HttpResponseRedirect(found[0][1])
        if not found:
            messages.warning(request, "No patient, visit or bed has this number.")
    return _page(request, "find.html", {"title": "Timeline", "form": form, "found": found})


def entries(ids: Sequence[int]) -> list[Entry]:
    """Return these messages with what became of them, in the given order."""
    chain_of = chains(ids)
    by_id = {message.pk: message for chain in chain_of.values() for message in chain}
    effects = effects_of([by_id[pk] for pk in ids])
    answers = _answers({chain[0].pk for chain in chain_of.values()})
    return [Entry(by_id[pk], chain_of[pk], effects[pk], answers[chain_of[pk][0].pk]) for pk in ids]


def _answers(ids: set[int]) -> dict[int, str]:
    """Return what a sender that waits for answers was told; whoever pushes to Redis hears only that."""
    heads = InboundMessage.objects.filter(pk__in=ids).values_list("pk", RawSQL("substring(raw FOR %s)", [HEAD]))
    return {pk: ack.wanted(bytes(head), "AA") or "none asked for" for pk, head in heads}


def _standing(subject: Subject) -> dict[str, Any]:
    """Return what stands above the messages: places, dead letters that wait, and what no worker has had yet."""
    waiting: list[tuple[Waiting, Header]] | None
    try:
        waiting = [(message, peek_header(message.raw)) for message in on_the_way(subject)]
    except RedisError:
        waiting = None
    stays = _stays(subject)
    return {
        "stays": stays,
        "conflict": _conflict(subject, stays),
        "held_back": held_back(_holds(subject)),
        "letters": entries(open_letters(subject)),
        "waiting": waiting,
    }


def _holds(subject: Subject) -> list[Pause]:
    begun = [(hold, hold.message) for hold in unsettled_holds()]
    return [hold for hold, message in begun if message and subject.is_named(tokens_in(bytes(message.raw)))]


def _conflict(subject: Subject, stays: Iterable[Stay]) -> str:
    """Say what cannot be true: messages put two patients into one bed, or one patient into two."""
    current = [stay for stay in stays if stay.to_at is None]
    if subject.beds and len({stay.visit.patient_id for stay in current}) > 1:
        return "Two patients are in this bed. The later arrival is shown as its occupant."
    if not subject.beds and len({stay.bed_id for stay in current}) > 1:
        return "The patient is in two beds. The later arrival is shown as where they are."
    return ""


def _stays(subject: Subject) -> QuerySet[Stay]:
    """Return where the visits have been, or who has been in the bed, the newest first."""
    found = Stay.objects.filter(bed__in=subject.beds) if subject.beds else Stay.objects.filter(visit__in=subject.visits)
    return found.select_related("bed", "visit").order_by("-from_at", "-pk")[:STAYS_SHOWN]


def _found(text: str) -> list[tuple[str, str]]:
    """Return name and address of what is called so."""
    text = text.strip()
    patients = PatientIdentifier.objects.filter(value=text).values_list("patient", flat=True).distinct()
    visits = Visit.objects.filter(number=text).values_list("pk", "merged_into")
    found = [("patient", pk, f"Patient {pk}") for pk in patients[:FOUND_SHOWN]]
    found += [("visit", merged or pk, f"Visit {merged or pk}") for pk, merged in visits[:FOUND_SHOWN]]
    found += [("bed", bed.pk, f"Bed {bed}") for bed in Bed.objects.filter(key=text.lower())]
    return [(name, reverse("admin:interconnect_timeline", args=[kind, pk])) for kind, pk, name in found]


def _require_reader(request: HttpRequest) -> None:
    if not request.user.has_perm("interconnect.view_inboundmessage"):
        raise PermissionDenied


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    shared = {**admin.site.each_context(request), "opts": InboundMessage._meta}
    return TemplateResponse(request, f"admin/interconnect/timeline/{template}", shared | context)
