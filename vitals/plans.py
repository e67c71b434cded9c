"""What the EHR plans for a visit, and what whoever comes to the bed must know."""

from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.db import models


class VisitPlan(models.Model):
    """The newest statements about a visit: its plan (PV2-9, PV2-41, PV1-40), and the patient's status (PV1-15)."""

    class Flag(models.TextChoices):
        ISOLATION = "isolation", "Isolation"
        CONTAMINATED = "contaminated", "Contaminated"
        NO_CODE = "no-code", "No-code"
        AGGRESSIVE = "aggressive", "Aggressive"
        CONFUSED = "confused", "Confused"
        BLIND = "blind", "Blind"
        DEAF = "deaf", "Deaf"
        PARAPLEGIC = "paraplegic", "Paraplegic"
        PREGNANT = "pregnant", "Pregnant"

    visit = models.OneToOneField("vitals.Visit", models.PROTECT, related_name="plan")
    expected_discharge_at = models.DateTimeField(null=True)
    flags = ArrayField(models.CharField(max_length=20, choices=Flag), default=list)
    stated_at = models.DateTimeField(null=True, help_text="MSH-7 of the message with PV2")
    status = ArrayField(models.CharField(max_length=20, choices=Flag), null=True)
    status_at = models.DateTimeField(null=True, help_text="MSH-7 of the message that stated PV1-15")

    def __str__(self) -> str:
        return f"Plan of visit {self.visit_id}"


Flag = VisitPlan.Flag

BED_STATUS: Final = {"I": Flag.ISOLATION, "K": Flag.CONTAMINATED}  # PV1-40, table 0116
AMBULATORY_STATUS: Final = {"B6": Flag.PREGNANT}  # PV1-15, table 0009
PRECAUTIONS: Final = {  # PV2-41, table 0433
    "A": Flag.AGGRESSIVE,
    "B": Flag.BLIND,
    "C": Flag.CONFUSED,
    "D": Flag.DEAF,
    "N": Flag.NO_CODE,
    "P": Flag.PARAPLEGIC,
}
