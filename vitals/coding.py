"""What senders call the vital signs: codes a hospital adds to those of `vitals.codes`, and codes nobody knows yet."""

from typing import Final

from django.db import models

# The vitals of `vitals.codes.VITALS`, and the panel that one OBX carries as "120/80".
VITAL_CHOICES: Final = [
    ("hr", "Heart rate"),
    ("bp", "Blood pressure, as 120/80"),
    ("sbp", "Systolic BP"),
    ("dbp", "Diastolic BP"),
    ("map", "Mean BP"),
    ("rr", "Respiratory rate"),
    ("spo2", "SpO2"),
    ("temp", "Temperature"),
    ("o2", "Oxygen flow"),
    ("fio2", "Inspired oxygen"),
    ("acvpu", "Consciousness (ACVPU)"),
    ("gcs", "Glasgow coma score"),
    ("pain", "Pain, 0 to 10"),
    ("weight", "Weight"),
    ("height", "Height"),
]


class CodeMapping(models.Model):
    """A local code that means a vital sign; it goes before the built-in ones."""

    code = models.CharField(max_length=64, help_text="OBX-3.1")
    system = models.CharField(max_length=40, blank=True, help_text="OBX-3.3, exactly as sent; often empty")
    vital = models.CharField(max_length=10, choices=VITAL_CHOICES)
    unit = models.CharField(max_length=40, blank=True, help_text="Unit of values sent without one, such as [degF]")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["code", "system"], name="one_meaning_per_code"),)

    def __str__(self) -> str:
        return f"{self.code}^{self.system}"


class UnmappedCode(models.Model):
    """A code seen in ORU^R01 that means nothing to epicops: offered to be mapped."""

    code = models.CharField(max_length=64, help_text="OBX-3.1")
    system = models.CharField(max_length=40, blank=True, help_text="OBX-3.3")
    label = models.CharField(max_length=100, blank=True, help_text="OBX-3.2 as last sent")
    count = models.BigIntegerField(default=0)
    seen_at = models.DateTimeField(help_text="When it was last applied")
    message_id = models.BigIntegerField(help_text="The inbound message it was last seen in")

    class Meta:
        ordering = ("-count",)
        constraints = (models.UniqueConstraint(fields=["code", "system"], name="one_count_per_code"),)

    def __str__(self) -> str:
        return f"{self.code}^{self.system}"
