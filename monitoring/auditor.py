"""The auditor's page: questions, their answers from the audit trail, and both as files. Reading the trail is on it too.

What identifies a patient comes by POST and leaves as our own number: it is in no URL.
"""

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.core.validators import MaxValueValidator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from audit.admin import record
from audit.fhir import resource
from audit.models import AuditEvent
from epicops.admin_site import BoundedPaginator
from interconnect.exports import csv_lines, download
from monitoring.questions import QUESTIONS, patient_with

PER_PAGE: Final = 100
CHUNK: Final = 2_000  # rows
MONTH: Final = timedelta(days=30)
LAST_DAY: Final = date(9999, 12, 30)  # there is a midnight after it
COLUMNS: Final = (
    *("recorded_at", "actor", "actor_id", "source_ip", "action", "code", "patient_id", "object_type", "object_id"),
    *("detail", "stream_id", "seq"),
)


class QuestionForm(forms.Form):
    """A question, whom or what it is about, and the days it covers, both included."""

    question = forms.ChoiceField(choices=[(name, question.title) for name, question in QUESTIONS.items()])
    subject = forms.CharField(
        required=False, max_length=150, help_text="Patient number, user name or message number, where one is meant"
    )
    since = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}), validators=[MaxValueValidator(LAST_DAY)])

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        asked = QUESTIONS.get(found.get("question", ""))
        if asked and asked.subject and not found.get("subject"):
            self.add_error("subject", f"{asked.subject}?")
        return found

    def events(self) -> QuerySet[AuditEvent]:
        """Return the answer, the latest first."""
        asked = self.cleaned_data
        within = Q(
            recorded_at__gte=midnight(asked["since"]), recorded_at__lt=midnight(asked["until"] + timedelta(days=1))
        )
        return AuditEvent.objects.filter(within & QUESTIONS[asked["question"]].events(asked["subject"]))


def midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def today() -> dict[str, str]:
    """Return the form's first values: the last month."""
    now = timezone.localdate()
    return {"question": "patient", "since": f"{now - MONTH}", "until": f"{now}"}


@permission_required("audit.view_auditevent", raise_exception=True)
@require_safe
def questions(request: HttpRequest) -> HttpResponse:
    """Show the form and, once it is filled in, a page of the answer."""
    is_asked = "question" in request.GET and "since" in request.GET
    form = QuestionForm(request.GET) if is_asked else QuestionForm(initial={**today(), **request.GET.dict()})
    context = {**admin.site.each_context(request), "title": "Questions to the audit trail", "form": form}
    if form.is_bound and form.is_valid():
        events = form.events()
        record_question(request, "R", "audit.read", form)  # or nothing is shown
        page = BoundedPaginator(events, PER_PAGE).get_page(request.GET.get("page"))
        context |= {"page": page, "title": QUESTIONS[form.cleaned_data["question"]].title, "asked": asked(request)}
    return TemplateResponse(request, "admin/audit/questions.html", context)


def asked(request: HttpRequest) -> str:
    """Return the query string of the question, for the links to its other pages."""
    query = QueryDict(mutable=True)
    query.update({name: request.GET.get(name, "") for name in QuestionForm.base_fields})
    return query.urlencode()


@permission_required("audit.view_auditevent", raise_exception=True)
@require_POST
def find_patient(request: HttpRequest) -> HttpResponse:
    """Turn an identifier of a patient into our number, and go on with it."""
    patient = patient_with(request.POST.get("identifier", "").strip())
    if patient is None:
        messages.error(request, "This is not the identifier of exactly one patient.")
        return HttpResponseRedirect(reverse("audit_questions"))
    query = QueryDict(mutable=True)
    query.update({**today(), "subject": str(patient.pk)})
    return HttpResponseRedirect(f"{reverse('audit_questions')}?{query.urlencode()}")


@permission_required("audit.export_auditevent", raise_exception=True)
@require_POST
def export(request: HttpRequest, form: str) -> HttpResponseBase:
    """Answer with the whole answer as a file, once that is on record."""
    asked = QuestionForm(request.POST)
    if not asked.is_valid():
        return HttpResponse(status=400)
    if form not in FORMS:
        raise Http404
    write, content_type = FORMS[form]
    record_question(request, "E", "audit.export", asked, file=form, count=asked.events().count())
    rows = asked.events().order_by("pk").iterator(chunk_size=CHUNK)
    name = f"audit-{asked.cleaned_data['question']}-{timezone.localdate()}.{form}"
    return download(write(rows), name, content_type)


def record_question(request: HttpRequest, action: str, code: str, form: QuestionForm, **detail: object) -> None:
    """Write down who asked what."""
    asked = form.cleaned_data
    days = {name: asked[name].isoformat() for name in ("since", "until")}
    about = f"question {asked['question']}", asked["subject"][:64]
    record(request, action, code, *about, detail={**days, **detail})


def as_csv(events: Iterator[AuditEvent]) -> Iterator[str]:
    return csv_lines(COLUMNS, ([as_cell(getattr(event, column)) for column in COLUMNS] for event in events))


def as_cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else value


def as_ndjson(events: Iterator[AuditEvent]) -> Iterator[str]:
    for event in events:
        yield json.dumps(resource(event)) + "\n"


FORMS: Final[dict[str, tuple[Callable[[Iterator[AuditEvent]], Iterator[str]], str]]] = {
    "csv": (as_csv, "text/csv; charset=utf-8"),
    "ndjson": (as_ndjson, "application/fhir+ndjson"),
}
