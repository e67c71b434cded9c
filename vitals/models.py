"""Patients, where they are, and what was measured. PostgreSQL is the truth; Redis holds copies."""

from datetime import UTC, datetime
from typing import Final

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from vitals.coding import CodeMapping, UnmappedCode
from vitals.comparison_runs import ComparisonRun
from vitals.nursing import Assignment, OxygenTarget
from vitals.plans import VisitPlan
from vitals.portals import PatientAccount, WallDisplay
from vitals.superseded import SupersededObservation
from vitals.wards import Bed, Unit

__all__ = [
    "Assignment",
    "Bed",
    "CodeMapping",
    "ComparisonRun",
    "Movement",
    "Observation",
    "OxygenTarget",
    "Patient",
    "PatientAccount",
    "PatientIdentifier",
    "Stay",
    "SupersededObservation",
    "Unit",
    "UnmappedCode",
    "Visit",
    "VisitPlan",
    "WallDisplay",
]

LONG_AGO: Final = datetime(1900, 1, 1, tzinfo=UTC)  # before anything a message can state


def full_name(family: str, given: str) -> str:
    return ", ".join(filter(None, (family, given))) or "Name not given"


class Patient(models.Model):
    """A person under care. Known to senders by identifiers, to epicops by this row's id."""

    family_name = models.CharField(max_length=194, blank=True)
    given_name = models.CharField(max_length=194, blank=True)
    birth_date = models.DateField(null=True, blank=True)
    sex = models.CharField(max_length=1, blank=True, help_text="HL7 table 0001")
    demographics_at = models.DateTimeField(help_text="Time of the message these details came from")
    merged_into = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="merged", help_text="The record that survived"
    )
    deleted_at = models.DateTimeField(null=True, blank=True, help_text="A29: nobody is in a bed after this")

    def __str__(self) -> str:
        return f"Patient {self.pk}"

    @property
    def name(self) -> str:
        return full_name(self.family_name, self.given_name)


class PatientIdentifier(models.Model):
    """A number that a sender calls a patient by, unique within its assigning authority (PID-3)."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="identifiers")
    authority = models.CharField(max_length=227, blank=True)
    value = models.CharField(max_length=64)
    is_former = models.BooleanField(
        default=False, db_default=False, help_text="Of a record that was merged into this patient's"
    )

    class Meta:
        constraints = (models.UniqueConstraint(fields=["value", "authority"], name="one_patient_per_identifier"),)

    def __str__(self) -> str:
        return f"Identifier {self.pk}"


class Visit(models.Model):
    """One encounter, known by PV1-19, else PID-18; else the patient's one unnumbered visit.

    A number that two patients have is a visit of each, unless a message says that it is one and whose.
    """

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="visits")
    authority = models.CharField(max_length=227, blank=True)
    number = models.CharField(max_length=100)
    patient_at = models.DateTimeField(null=True, help_text="MSH-7 of the newest message that moved it to this patient")
    merged_into = models.ForeignKey("self", models.PROTECT, null=True, related_name="merged")
    namesake = models.BigIntegerField(
        default=0, db_default=0, help_text="0, or the patient it was opened for where the number was another's before"
    )

    class Meta:
        constraints = (models.UniqueConstraint(fields=["number", "authority", "namesake"], name="one_visit_per_name"),)

    def __str__(self) -> str:
        return f"Visit {self.pk}"


class Movement(models.Model):
    """What one ADT message said about a visit. A visit's stays follow from the set of these, in any arrival order."""

    class Kind(models.TextChoices):
        ADMIT = "admit", "Admitted"  # A01, A04
        TRANSFER = "transfer", "Transferred"  # A02, A06, A07, A10, A17
        DISCHARGE = "discharge", "Discharged"  # A03
        CANCEL_ADMIT = "cancel_admit", "Admission cancelled"  # A11
        CANCEL_TRANSFER = "cancel_transfer", "Transfer cancelled"  # A12
        CANCEL_DISCHARGE = "cancel_discharge", "Discharge cancelled"  # A13
        DELETE = "delete", "Visit deleted"  # A23
        # What follows moves nobody: it is shown in the course of the visit.
        EXPECTED = "expected", "Expected"  # A05, A14
        TRANSFER_PENDING = "transfer_pending", "Transfer planned"  # A15
        DISCHARGE_PENDING = "discharge_pending", "Discharge planned"  # A16
        CANCEL_PENDING = "cancel_pending", "Plan cancelled"  # A25, A26, A27, A38
        DEPARTED = "departed", "Left the ward for a while"  # A09, A21
        RETURNED = "returned", "Came back"  # A22, A33
        CLASS_CHANGED = "class_changed", "Class changed"  # A06, A07 without a location

    visit = models.ForeignKey(Visit, models.PROTECT, related_name="movements")
    kind = models.CharField(max_length=20, choices=Kind)
    occurred_at = models.DateTimeField(help_text="EVN-6, else EVN-2, else MSH-7; a discharge: PV1-45 first")
    recorded_at = models.DateTimeField(
        default=LONG_AGO, help_text="EVN-2, else MSH-7: of two statements about one moment the later holds"
    )
    bed = models.ForeignKey(Bed, models.PROTECT, null=True, related_name="movements")
    prior_bed = models.ForeignKey(Bed, models.PROTECT, null=True, related_name="+", help_text="PV1-6")
    message_id = models.BigIntegerField(db_index=True, help_text="The inbound message it came in")

    class Meta:
        constraints = (
            models.UniqueConstraint("visit", "occurred_at", "kind", Coalesce("bed", 0), name="movement_once"),
        )

    def __str__(self) -> str:
        return f"Visit {self.visit_id} {self.kind}"


class Stay(models.Model):
    """A visit in a bed from one time to another; `to_at` is empty while the patient is there."""

    visit = models.ForeignKey(Visit, models.PROTECT, related_name="stays")
    bed = models.ForeignKey(Bed, models.PROTECT, related_name="stays")
    from_at = models.DateTimeField()
    to_at = models.DateTimeField(null=True, blank=True)
    message_id = models.BigIntegerField(default=0, help_text="The inbound message that opened it")
    is_inferred = models.BooleanField(default=False, help_text="No message said that it began then")
    is_disputed = models.BooleanField(default=False, help_text="PV1-6 named another bed than the one before")

    class Meta:
        ordering = ("from_at",)
        constraints = (
            models.CheckConstraint(condition=Q(to_at=None) | Q(to_at__gte=F("from_at")), name="stay_ends_after_start"),
            models.UniqueConstraint(fields=["visit", "from_at"], name="one_stay_at_a_time"),
        )
        indexes = (
            models.Index(fields=["bed", "-from_at"], condition=Q(to_at=None), name="stay_current"),  # who is in bed X
        )

    def __str__(self) -> str:
        return f"Stay of visit {self.visit_id}"

    @property
    def doubts(self) -> str:
        """What the messages leave open about it; empty if nothing."""
        doubts = {"no message said that it began then": self.is_inferred, "PV1-6 named another bed": self.is_disputed}
        return ", ".join(words for words, is_so in doubts.items() if is_so)


class ShownObservations(models.Manager["Observation"]):
    def get_queryset(self) -> models.QuerySet["Observation"]:
        return super().get_queryset().filter(is_shown=True)


class Observation(models.Model):
    """One vital sign of one patient at one time, in the unit of `vitals.codes`, beside what was sent."""

    class Status(models.TextChoices):  # HL7 table 0085
        FINAL = "F", "Final"
        UNVERIFIED = "R", "Not verified"
        PRELIMINARY = "P", "Preliminary"
        CORRECTED = "C", "Corrected"
        DELETED = "D", "Deleted by the sender"
        WRONG = "W", "Of another patient"

    # No check of each row: the transaction that writes it has found or made the patient, and none is ever deleted.
    patient = models.ForeignKey(
        Patient, models.PROTECT, related_name="observations", db_index=False, db_constraint=False
    )
    vital = models.CharField(max_length=10, help_text="A name in vitals.codes.KEPT")
    value = models.DecimalField(max_digits=8, decimal_places=2)
    observed_at = models.DateTimeField(help_text="OBX-14, else OBR-7, else MSH-7")
    status = models.CharField(max_length=1, choices=Status)
    stated_at = models.DateTimeField(
        default=LONG_AGO, help_text="MSH-7: of two equal statuses the later statement holds"
    )
    is_shown = models.BooleanField(default=True, help_text="Neither withdrawn nor implausible")
    sub_id = models.CharField(max_length=40, blank=True, help_text="OBX-4")
    sent_code = models.CharField(max_length=64, help_text="OBX-3.1")
    sent_value = models.CharField(max_length=40)
    sent_unit = models.CharField(max_length=40, blank=True)
    message_id = models.BigIntegerField(db_index=True, help_text="The inbound message it came in")

    objects = ShownObservations()
    everything = models.Manager["Observation"]()

    class Meta:
        base_manager_name = "everything"
        constraints = (
            # Also serves "the latest of each vital of patient X".
            models.UniqueConstraint(fields=["patient", "vital", "observed_at", "sub_id"], name="observation_once"),
        )

    def __str__(self) -> str:
        return f"{self.vital} of patient {self.patient_id}"
