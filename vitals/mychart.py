"""A patient's own vitals in plain words, and nobody else's: which patient that is, only the account says."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.timezone import localdate, now
from django.views.decorators.http import require_safe

from audit.models import AuditEvent
from epicops.portal import MYCHART, PortalRequest, portal_required
from vitals.models import Observation, Patient, PatientAccount
from vitals.news2 import why_not
from vitals.trend import number, read_history

SHOWN_FOR: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Words:
    """How a vital sign is told: `unit` follows the figure, `usual` is for most adults at rest."""

    title: str
    unit: str
    meaning: str
    usual: str


WORDS: Final = {
    "hr": Words("Heart rate", "beats a minute", "How often your heart beats.", "60 to 100"),
    "bp": Words("Blood pressure", "mmHg", "The force of your blood, at and between beats.", "90/60 to 120/80"),
    "rr": Words("Breathing", "breaths a minute", "How often you breathe.", "12 to 20"),
    "spo2": Words("Oxygen in your blood", "%", "How much oxygen your blood carries.", "95 or more"),
    "temp": Words("Temperature", "°C", "How warm your body is.", "36.1 to 37.5"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One reading as its patient reads it."""

    words: Words
    text: str
    at: datetime
    is_verified: bool


@portal_required(MYCHART)
@require_safe
def own_vitals(request: PortalRequest) -> HttpResponse:
    """Show the account's own patient the newest readings and their last day."""
    patient = own_patient(request)
    AuditEvent.objects.record("R", "mychart.view", actor=request.user, request=request, patient_id=patient.pk)
    context = {
        "told": tell(patient.pk),
        "is_adult": not why_not(patient.birth_date, localdate()),
        "history": read_history(patient.pk, now()),
        "words": WORDS,
    }
    return render(request, "mychart/vitals.html", context)


def own_patient(request: PortalRequest) -> Patient:
    """Return whose account this is, of a merged record the one that survived; 404 for an account of nobody."""
    account = PatientAccount.objects.select_related("patient__merged_into").filter(user=request.user.pk).first()
    if account is None:
        raise Http404
    return account.patient.merged_into or account.patient


def tell(patient_id: int) -> list[Told]:
    """Return the newest reading of each vital of the last `SHOWN_FOR`."""
    rows = Observation.objects.filter(patient=patient_id, observed_at__gt=now() - SHOWN_FOR)
    latest = {row.vital: row for row in rows.order_by("vital", "-observed_at", "-sub_id").distinct("vital")}
    systolic, diastolic = latest.get("sbp"), latest.get("dbp")
    told = []
    for vital, words in WORDS.items():
        row = systolic if vital == "bp" else latest.get(vital)
        if row is None:
            continue
        text = number(vital, row.value)
        if vital == "bp":
            is_pair = diastolic is not None and diastolic.observed_at == row.observed_at
            text += f"/{number('dbp', diastolic.value)}" if diastolic and is_pair else "/-"
        told.append(Told(words, text, row.observed_at, row.status != Observation.Status.UNVERIFIED))
    return told
