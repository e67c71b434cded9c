"""Wards for operators: who works where, and what was measured. Patients are named on their own page only."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.timezone import now

from audit.admin import AuditedModelAdmin, record
from epicops.admin_site import ReadOnlyModelAdmin, operator, timestamp
from vitals import admin_comparison, admin_portals, cache  # noqa: F401  the first two register their pages
from vitals.assignments import write_through
from vitals.models import (
    Assignment,
    Bed,
    CodeMapping,
    Observation,
    OxygenTarget,
    Patient,
    Stay,
    Unit,
    UnmappedCode,
)


@admin.register(Unit)
class UnitAdmin(AuditedModelAdmin[Unit]):
    """Messages create wards; operators name them and say who works there, which is who sees its patients."""

    intro = "Wards, as messages name them. Who is on the staff of one sees its patients."
    list_display = ("code", "facility", "name")
    fields = ("facility", "code", "name", "staff")
    readonly_fields = ("facility", "code")
    autocomplete_fields = ("staff",)

    class Media:
        js = ("js/autocomplete.js",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Bed)
class BedAdmin(ReadOnlyModelAdmin[Bed]):
    intro = "Beds, as messages name them; each has what is in the cache for it now."
    list_display = ("key", "unit", "room", "label")
    list_filter = ("unit",)
    list_select_related = ("unit",)
    search_fields = ("key",)


@admin.register(Patient)
class PatientAdmin(ReadOnlyModelAdmin[Patient]):
    """The list shows our own numbers; names and identifiers are on the detail page, and each look is audited."""

    ordering = ("-id",)
    intro = "By our own numbers. A name is on the patient's page, and opening it is on record."
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
        record(request, "R", "patient.view", "patient", obj.pk, patient_id=obj.pk)
        return super().opened(request, obj)


@admin.register(Stay)
class StayAdmin(ReadOnlyModelAdmin[Stay]):
    ordering = ("-id",)
    intro = "Who was in which bed, derived from the movements of each visit."
    list_display = ("bed", "visit_number", "from_time", "to_time", "remarks")
    list_filter = ("bed__unit", "is_inferred", "is_disputed")
    list_select_related = ("bed",)

    @admin.display(description="visit")
    def visit_number(self, stay: Stay) -> int:
        return stay.visit_id

    @admin.display(description="from")
    def from_time(self, stay: Stay) -> SafeString | str:
        return timestamp(stay.from_at)

    @admin.display(description="until")
    def to_time(self, stay: Stay) -> SafeString | str:
        return timestamp(stay.to_at) if stay.to_at else "now there"

    @admin.display
    def remarks(self, stay: Stay) -> str:
        """Say what is doubtful, in the words of a patient's timeline."""
        return stay.doubts


@admin.register(Observation)
class ObservationAdmin(ReadOnlyModelAdmin[Observation]):
    ordering = ("-id",)
    intro = "Every value that was sent, withdrawn and implausible ones too. Looking at this list is on record."
    list_display = ("observed", "patient_number", "vital", "value", "status", "is_shown", "sent_code", "sent_value")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Observation]:
        return Observation.everything.all()  # what was withdrawn or is implausible too

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the page once it is on record whose values it shows."""
        changes = super().get_changelist_instance(request)
        patients = sorted({observation.patient_id for observation in changes.result_list})
        record(request, "R", "observation.list", detail={"patients": patients})
        return changes

    def opened(self, request: HttpRequest, obj: Observation) -> dict[str, Any]:
        record(request, "R", "observation.view", "observation", obj.pk, patient_id=obj.patient_id)
        return super().opened(request, obj)

    @admin.display(description="observed at")
    def observed(self, observation: Observation) -> SafeString | str:
        return timestamp(observation.observed_at)

    @admin.display(description="patient")
    def patient_number(self, observation: Observation) -> int:
        return observation.patient_id


@admin.register(CodeMapping)
class CodeMappingAdmin(AuditedModelAdmin[CodeMapping]):
    """Local codes of senders. A change holds from the worker's next batch on; replay what came before."""

    intro = "What senders' own codes mean. It holds from the worker's next batch on; replay what came before."
    list_display = ("code", "system", "vital", "unit")
    list_filter = ("vital",)

    def has_delete_permission(self, request: HttpRequest, obj: CodeMapping | None = None) -> bool:
        return request.user.has_perm("vitals.delete_codemapping")  # nothing refers to it


@admin.register(UnmappedCode)
class UnmappedCodeAdmin(ReadOnlyModelAdmin[UnmappedCode]):
    """Codes nobody has mapped yet, the most frequent first; each with the way to map it."""

    intro = "Codes of senders that nobody has mapped to a vital sign yet, the most frequent first."
    ordering = ("-count",)
    list_display = ("code", "system", "label", "count", "seen", "to_map")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UnmappedCode]:
        mapped = CodeMapping.objects.filter(code=OuterRef("code"), system=OuterRef("system"))
        return super().get_queryset(request).exclude(Exists(mapped))

    @admin.display(description="last seen")
    def seen(self, unmapped: UnmappedCode) -> SafeString | str:
        return timestamp(unmapped.seen_at)

    @admin.display(description="")
    def to_map(self, unmapped: UnmappedCode) -> SafeString:
        query = urlencode({"code": unmapped.code, "system": unmapped.system})
        return format_html('<a href="{}?{}">Map</a>', reverse("admin:vitals_codemapping_add"), query)


@admin.register(Assignment)
class AssignmentAdmin(AuditedModelAdmin[Assignment]):
    """Who looks after whom. An assignment is ended, never removed: it is part of the record."""

    intro = "Who looks after whom. Charge nurses plan it in Hyperspace; an assignment is ended, never removed."
    list_display = ("id", "nurse", "patient", "from_at", "to_at")
    list_select_related = ("nurse", "patient")
    autocomplete_fields = ("nurse",)
    raw_id_fields = ("patient",)
    list_filter = ("to_at",)

    class Media:
        js = ("js/autocomplete.js",)

    def get_readonly_fields(self, request: HttpRequest, obj: Assignment | None = None) -> tuple[str, ...]:
        return ("nurse", "patient", "from_at") if obj else ()

    def save_model(self, request: HttpRequest, obj: Assignment, form: Any, change: bool) -> None:  # noqa: FBT001
        super().save_model(request, obj, form, change)
        transaction.on_commit(lambda: write_through({obj.nurse_id}, {obj.patient_id}))


@admin.register(OxygenTarget)
class OxygenTargetAdmin(AuditedModelAdmin[OxygenTarget]):
    """Decisions on NEWS2's SpO2 scale: who decided and when is written by itself, and a new one replaces the last."""

    intro = "Which of NEWS2's two SpO2 scales a clinician decided on. A new decision replaces the last."
    list_display = ("patient", "scale", "decided_by", "decided_at")
    list_select_related = ("patient", "decided_by")
    fields = ("patient", "scale")
    raw_id_fields = ("patient",)

    def has_change_permission(self, request: HttpRequest, obj: OxygenTarget | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: OxygenTarget, form: Any, change: bool) -> None:  # noqa: FBT001
        obj.decided_by, obj.decided_at = operator(request), now()  # type: ignore[assignment]  # our user model
        super().save_model(request, obj, form, change)
        beds = Stay.objects.filter(visit__patient=obj.patient_id, to_at=None).values_list("bed", flat=True)
        transaction.on_commit(lambda: cache.write_through(list(beds)))  # the document says which scale holds
