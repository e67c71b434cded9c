"""People who use epicops, and what a session of theirs may do."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person with a login; `role` and `department` are copied into each session at login."""

    class Role(models.TextChoices):
        PHYSICIAN = "physician", "Physician"
        NURSE = "nurse", "Nurse"
        CHARGE_NURSE = "charge_nurse", "Charge nurse"
        OPERATOR = "operator", "Operator"

    role = models.CharField(max_length=20, choices=Role, blank=True, help_text="Empty: the admin is the only entrance")
    department = models.CharField(max_length=60, blank=True, help_text="For example emergency")
