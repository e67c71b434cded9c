"""Who comes in otherwise than as staff: patients by their account, and displays on a ward's wall by their code."""

import hashlib
import secrets

from django.conf import settings
from django.db import models


class PatientAccount(models.Model):
    """A MyChart login and the patient whose record it opens; nobody else's."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="patient_account")
    patient = models.ForeignKey("vitals.Patient", models.PROTECT, related_name="accounts")

    def __str__(self) -> str:
        return f"Account of patient {self.patient_id}"


class WallDisplay(models.Model):
    """A screen that shows one ward, with few fields, to whoever stands before it. Its code is not kept."""

    unit = models.ForeignKey("vitals.Unit", models.PROTECT, related_name="displays")
    place = models.CharField(max_length=100, help_text="Where it hangs")
    code_hash = models.CharField(max_length=64, unique=True, editable=False)
    is_revoked = models.BooleanField("revoked", default=False, help_text="It shows nothing any more")

    def __str__(self) -> str:
        return f"Wall display {self.pk}"


def new_code() -> str:
    """Return a code that somebody types once: 80 random bits in groups of four."""
    digits = secrets.token_hex(10)
    return "-".join(digits[place : place + 4] for place in range(0, len(digits), 4))


def hash_of(code: str) -> str:
    """Return what is kept of a code. A plain hash: nobody guesses 80 bits."""
    return hashlib.sha256(code.strip().lower().encode()).hexdigest()
