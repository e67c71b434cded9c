"""What clinicians decide here rather than in the EHR: who looks after whom, and whose oxygen target is 88-92 %."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Assignment(models.Model):
    """A nurse looks after a patient from one time to another, usually a shift; open-ended without `to_at`."""

    nurse = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="assignments")
    patient = models.ForeignKey("vitals.Patient", models.PROTECT, related_name="assignments")
    from_at = models.DateTimeField()
    to_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-from_at",)
        constraints = (
            models.CheckConstraint(
                condition=Q(to_at=None) | Q(to_at__gte=F("from_at")), name="assignment_ends_after_start"
            ),
        )

    def __str__(self) -> str:
        return f"Assignment {self.pk}"


class OxygenTarget(models.Model):
    """A clinician's decision about NEWS2's SpO2 scale for a patient. The newest holds; none means scale 1.

    Scale 2 is for a prescribed target of 88-92 % in hypercapnic respiratory failure (RCP 2017): never inferred.
    """

    class Scale(models.IntegerChoices):
        ONE = 1, "Scale 1"
        TWO = 2, "Scale 2 (target 88-92 %)"

    patient = models.ForeignKey("vitals.Patient", models.PROTECT, related_name="oxygen_targets")
    scale = models.PositiveSmallIntegerField(choices=Scale)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()

    class Meta:
        ordering = ("-decided_at", "-id")

    def __str__(self) -> str:
        return f"Scale {self.scale} for patient {self.patient_id}"
