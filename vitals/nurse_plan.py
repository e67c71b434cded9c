"""The charge nurse's page: who looks after whom on a ward, this shift or the next."""

from collections.abc import Iterator
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import SafeString
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods

from audit.models import AuditEvent
from epicops.portal import HYPERSPACE, PortalRequest, portal_required
from vitals.assignments import assign, during
from vitals.models import Assignment, Stay, Unit
from vitals.shifts import Shift, shift_at

CHARGE_NURSE: Final = "charge_nurse"
NURSES: Final = ("nurse", CHARGE_NURSE)


class NursePlan(forms.Form):
    """A field per patient of the ward with the nurses ticked who have them in the shift.

    Only fields that this person changed are saved: two charge nurses at it do not undo each other's work.
    """

    def __init__(self, unit: Unit, shift: Shift, data: Any = None) -> None:
        super().__init__(data)
        self.shift = shift
        stays = Stay.objects.filter(bed__unit=unit, to_at=None).select_related("bed", "visit__patient")
        self.stays = list(stays.order_by("bed__key", "-from_at"))
        planned = during(shift.from_at, shift.to_at).filter(patient__in=self.patient_ids)
        self._planned: dict[int, list[int]] = {patient_id: [] for patient_id in self.patient_ids}
        for assignment in planned:
            self._planned[assignment.patient_id].append(assignment.nurse_id)
        self.nurses = list(_nurses(unit, planned))
        choices = [(nurse.pk, nurse.get_full_name() or nurse.get_username()) for nurse in self.nurses]
        for patient_id, nurse_ids in self._planned.items():
            self.fields[f"patient_{patient_id}"] = forms.TypedMultipleChoiceField(
                choices=choices,
                coerce=int,
                required=False,
                initial=nurse_ids,
                show_hidden_initial=True,
                widget=forms.CheckboxSelectMultiple,
            )

    @property
    def until(self) -> str:
        """Return the end of the shift, by which it is known when the form comes back."""
        return self.shift.to_at.isoformat()

    @property
    def patient_ids(self) -> list[int]:
        return list(dict.fromkeys(stay.visit.patient_id for stay in self.stays))

    @property
    def rows(self) -> Iterator[tuple[Stay, forms.BoundField, SafeString]]:
        """Yield the ward's beds with the field of each patient, and what that was when the page was opened."""
        first_stays = {stay.visit.patient_id: stay for stay in reversed(self.stays)}  # of a patient in two beds
        for patient_id in self.patient_ids:
            field = self[f"patient_{patient_id}"]
            yield first_stays[patient_id], field, field.as_hidden(only_initial=True)

    @property
    def loads(self) -> list[tuple[AbstractUser, int]]:
        """Return how many of these patients each nurse has, as saved."""
        return [(nurse, sum(nurse.pk in found for found in self._planned.values())) for nurse in self.nurses]

    @property
    def unassigned_count(self) -> int:
        return sum(1 for found in self._planned.values() if not found)

    def save(self, request: PortalRequest) -> int:
        """Write what was changed, each patient with an audit event; return how many patients that are."""
        with transaction.atomic():
            for name in self.changed_data:
                patient_id, nurse_ids = int(name.removeprefix("patient_")), self.cleaned_data[name]
                assign(nurse_ids, patient_id, at=self.shift.from_at, until=self.shift.to_at)
                AuditEvent.objects.record(
                    "U",
                    "assignment.plan",
                    actor=request.user,
                    request=request,
                    patient_id=patient_id,
                    object_type="patient",
                    object_id=patient_id,
                    detail={"nurses": sorted(nurse_ids), "until": self.shift.to_at.isoformat()},
                )
        return len(self.changed_data)


def _nurses(unit: Unit, planned: QuerySet[Assignment]) -> QuerySet[AbstractUser]:
    """Return the ward's nurses, and whoever else has one of its patients."""
    works_here = Q(pk__in=unit.staff.filter(role__in=NURSES, is_active=True))
    people: QuerySet[AbstractUser] = unit.staff.model._default_manager.all()  # noqa: SLF001  Django's public name
    return people.filter(works_here | Q(pk__in=planned.values("nurse"))).order_by("last_name", "username")


@portal_required(HYPERSPACE)
@require_http_methods(["GET", "HEAD", "POST"])
def nurse_plan(request: PortalRequest, unit_id: int) -> HttpResponse:
    """Show who has whom in a shift, and change it; of one's own ward only, in an emergency too."""
    if request.session["role"] != CHARGE_NURSE:
        raise PermissionDenied
    unit = get_object_or_404(Unit.objects.filter(staff=request.user.pk), pk=unit_id)
    current = shift_at(now())
    coming = shift_at(current.to_at)
    chosen = _chosen(request, current, coming)
    if chosen is None:
        messages.error(request, "That shift is over: nothing was saved.")
        return HttpResponseRedirect(request.path)
    is_coming = chosen == coming
    form = NursePlan(unit, coming if is_coming else Shift(now(), current.to_at), request.POST or None)
    if form.is_valid():
        count = form.save(request)
        messages.success(request, f"Saved for {count} patient{'' if count == 1 else 's'}.")
        return HttpResponseRedirect(f"{request.path}?shift={'next' if is_coming else ''}")
    _record_view(request, unit, form)
    context = {"unit": unit, "form": form, "shifts": ((current, ""), (coming, "next")), "is_coming": is_coming}
    return render(request, "hyperspace/nurse_plan.html", context)


def _chosen(request: PortalRequest, current: Shift, coming: Shift) -> Shift | None:
    """Return the shift asked for; a form is for the one it was opened for, which may have begun meanwhile, or ended."""
    if request.method != "POST":
        return coming if request.GET.get("shift") == "next" else current
    return next((shift for shift in (current, coming) if shift.to_at.isoformat() == request.POST.get("until")), None)


def _record_view(request: PortalRequest, unit: Unit, form: NursePlan) -> None:
    AuditEvent.objects.record(
        "R",
        "assignment.view",
        actor=request.user,
        request=request,
        object_type="unit",
        object_id=unit.pk,
        detail={"patients": sorted(form.patient_ids)},
    )
