"""Values that a later statement replaced."""

from django.db import models


class SupersededObservation(models.Model):
    """What an observation said before it was corrected, completed or withdrawn; a repeat of the same is kept once."""

    patient = models.ForeignKey("vitals.Patient", models.PROTECT, related_name="superseded_observations")
    vital = models.CharField(max_length=10)
    observed_at = models.DateTimeField()
    sub_id = models.CharField(max_length=40, blank=True)
    value = models.DecimalField(max_digits=8, decimal_places=2)
    status = models.CharField(max_length=1, help_text="HL7 table 0085")
    stated_at = models.DateTimeField()
    message_id = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["patient", "vital", "observed_at", "sub_id", "status", "stated_at", "value"],
                name="superseded_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.vital} of patient {self.patient_id}, superseded"
