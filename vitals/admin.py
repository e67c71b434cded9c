"""Wards for operators: who works where, and what was measured. Patients are named on their own page only."""

from typing import Any, cast

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from audit.admin import AuditedModelAdmin
from audit.models import AuditEvent
from epicops.admin_site import BoundedPaginator, ReadOnlyModelAdmin, operator, timestamp
from vitals.models import Bed, Observation, Patient, Stay, Unit


@admin.register(Unit)
class UnitAdmin(AuditedModelAdmin[Unit]):
    """Messages create wards; operators name them and say who works there, which is who sees its patients."""

    list_display = ("code", "facility", "name")
    fields = ("facility", "code", "name", "staff")
    readonly_fields = ("facility", "code")
    filter_horizontal = ("staff",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Bed)
class BedAdmin(ReadOnlyModelAdmin[Bed]):
    list_display = ("key", "unit", "room", "label")
    list_filter = ("unit",)
    list_select_related = ("unit",)
    search_fields = ("key",)


@admin.register(Patient)
class PatientAdmin(ReadOnlyModelAdmin[Patient]):
    """The list shows our own numbers; names and identifiers are on the detail page, and each look is audited."""

    paginator = BoundedPaginator
    ordering = ("-id",)
    list_display = ("number", "bed", "updated")
    fields = ("family_name", "given_name", "birth_date", "sex", "identifiers", "demographics_at")
    readonly_fields = ("identifiers",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Patient]:
        here = Stay.objects.filter(visit__patient=OuterRef("pk"), to_at=None).order_by("-from_at")
        return super().get_queryset(request).annotate(bed_key=Subquery(here.values("bed__key")[:1]))

    @admin.display(description="patient")
    def number(self, patient: Patient) -> str:
        return str(patient)

    @admin.display(description="in bed", empty_value="-")
    def bed(self, patient: Patient) -> str | None:
        return cast("str | None", patient.bed_key)  # type: ignore[attr-defined]  # annotated above

    @admin.display(description="details from")
    def updated(self, patient: Patient) -> SafeString | str:
        return timestamp(patient.demographics_at)

    @admin.display
    def identifiers(self, patient: Patient) -> SafeString:
        rows = patient.identifiers.values_list("value", "authority").order_by("id")
        return format_html_join("", "<div>{} {}</div>", rows)

    def opened(self, request: HttpRequest, obj: Patient) -> dict[str, Any]:
        AuditEvent.objects.record(
            AuditEvent.Action.READ,
            "patient.view",
            actor=operator(request),
            request=request,
            patient_id=obj.pk,
            object_type=str(self.opts.model_name),
            object_id=obj.pk,
        )
        return super().opened(request, obj)


@admin.register(Stay)
class StayAdmin(ReadOnlyModelAdmin[Stay]):
    paginator = BoundedPaginator
    ordering = ("-id",)
    list_display = ("bed", "visit_number", "from_time", "to_time")
    list_filter = ("bed__unit",)
    list_select_related = ("bed",)

    @admin.display(description="visit")
    def visit_number(self, stay: Stay) -> int:
        return stay.visit_id

    @admin.display(description="from")
    def from_time(self, stay: Stay) -> SafeString | str:
        return timestamp(stay.from_at)

    @admin.display(description="to")
    def to_time(self, stay: Stay) -> SafeString | str:
        return timestamp(stay.to_at)


@admin.register(Observation)
class ObservationAdmin(ReadOnlyModelAdmin[Observation]):
    paginator = BoundedPaginator
    ordering = ("-id",)
    list_display = ("observed", "patient_number", "vital", "value", "status", "sent_code", "sent_value", "sent_unit")

    @admin.display(description="observed at")
    def observed(self, observation: Observation) -> SafeString | str:
        return timestamp(observation.observed_at)

    @admin.display(description="patient")
    def patient_number(self, observation: Observation) -> int:
        return observation.patient_id
