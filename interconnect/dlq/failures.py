"""Failures as people work on them: one row for every cause, however many messages it stopped; and what was given up."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from interconnect.dlq.second_look import SecondLook

REVERSIBLE_FOR: Final = timedelta(days=30)


class FailureGroupQuerySet(models.QuerySet["FailureGroup"]):
    def waiting(self) -> "FailureGroupQuerySet":
        """Those that want a person now; a snooze that is over counts again."""
        awake = Q(state=FailureGroup.State.SNOOZED, snoozed_until__lte=Now())
        return self.filter(Q(state__in=(FailureGroup.State.OPEN, FailureGroup.State.ASSIGNED)) | awake)


class FailureGroup(models.Model):
    """All dead letters with one signature (`signatures.py`), and who does what about them."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ASSIGNED = "assigned", "Assigned"
        SNOOZED = "snoozed", "Snoozed"
        RESOLVED = "resolved", "Resolved"

    fingerprint = models.BinaryField(max_length=32, unique=True)
    error_class = models.CharField(max_length=60)
    error_path = models.CharField(max_length=40, help_text="Without the number of the segment")
    error_text = models.CharField(max_length=300, help_text="Numbers replaced by #")
    message_type = models.CharField(max_length=20)
    sending_application = models.CharField(max_length=227)
    sending_facility = models.CharField(max_length=227)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN, db_default=State.OPEN)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    note = models.TextField(max_length=2000, blank=True, default="", db_default="", help_text="Never patient data")
    snoozed_until = models.DateTimeField(null=True, blank=True)
    first_seen_at = models.DateTimeField(db_default=Now())
    last_seen_at = models.DateTimeField(db_default=Now())
    regressed_at = models.DateTimeField(null=True, blank=True, help_text="When it came back after it was resolved")

    # What a page is about to show of its letters; see interconnect/admin/failures.py.
    open_letters = 0
    all_letters = 0
    hours: Sequence[int] = ()

    objects = FailureGroupQuerySet.as_manager()

    class Meta:
        verbose_name = "failure"
        ordering = ("-last_seen_at", "-id")
        permissions = (("triage_failuregroup", "Can assign, snooze and resolve failure groups"),)
        indexes = (models.Index(fields=["-last_seen_at", "-id"], name="failure_by_last_seen"),)  # the triage list

    def __str__(self) -> str:
        return f"Failure #{self.pk}"

    @property
    def is_snooze_over(self) -> bool:
        return (
            self.state == self.State.SNOOZED and self.snoozed_until is not None and self.snoozed_until <= timezone.now()
        )


class Discard(SecondLook):
    """One decision to give dead letters up. The letters stay; within REVERSIBLE_FOR it can be taken back."""

    class Reason(models.TextChoices):
        DUPLICATE = "duplicate", "Duplicate of a message that was applied"
        RESENT = "resent", "The sender sent it again, corrected"
        SUPERSEDED = "superseded", "Newer messages make it pointless"
        NOT_OURS = "not-ours", "Not meant for this system"
        TEST = "test", "Test message"
        OTHER = "other", "Other"

    made_by = "discarded_by"

    reason = models.CharField(max_length=12, choices=Reason)
    text = models.CharField(max_length=500, help_text="Why; never patient data")
    count = models.PositiveIntegerField(help_text="Dead letters discarded by it")
    discarded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    discarded_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"Discard #{self.pk}"

    @property
    def is_reversible(self) -> bool:
        return timezone.now() - self.discarded_at < REVERSIBLE_FOR
