"""Pauses: an operator has stopped the queue, a type of message, a facility or one patient's messages, for a reason.

A paused queue keeps its messages. Where only a part is paused the rest goes on, so its messages are taken and kept as
held, in their order, and applied before anything newer of their kind once the pause is over.
"""

from typing import ClassVar, NamedTuple, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from interconnect.hl7.er7 import Header


class PauseQuerySet(models.QuerySet["Pause"]):
    def in_force(self) -> Self:
        return self.filter(Q(until=None) | Q(until__gt=Now()), resumed_at=None)

    def over(self) -> Self:
        """Those that ended and may still have held messages."""
        return self.filter(Q(until__lte=Now()) | Q(resumed_at__isnull=False), settled_at=None)

    def holds(self) -> Self:
        """Those of one patient."""
        return self.filter(scope=Pause.Scope.PATIENT)

    def unsettled(self) -> Self:
        """Those in force, and those whose held messages are not all applied yet."""
        return self.filter(settled_at=None)


class Pause(models.Model):
    """One decision to stop something. What it stops is in Redis as well, where every claim reads it."""

    class Scope(models.TextChoices):
        QUEUE = "queue", "The whole queue"
        TYPE = "type", "A message type"
        FACILITY = "facility", "A sending facility"
        PATIENT = "patient", "One patient's messages"

    NAMED_SCOPES: ClassVar = Scope.choices[:3]  # stopped by name; a patient is held from a message, see holds.py

    scope = models.CharField(max_length=8, choices=Scope, default=Scope.QUEUE)
    value = models.CharField(
        max_length=227, blank=True, help_text="MSH-9 as ORU^R01, or ORU for all its events; MSH-4.1"
    )
    message = models.ForeignKey(
        "interconnect.InboundMessage",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="holds",
        db_index=False,
        help_text="Whose patient's messages wait; see holds.py",
    )
    reason = models.CharField(max_length=200, help_text="Never patient data")
    paused_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    paused_at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField(null=True, blank=True, help_text="When it ends by itself")
    resumed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    resumed_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True, help_text="When the last held message was applied")

    objects = PauseQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        permissions = (("resume_pause", "Can resume what is paused"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(scope="queue", value="", message=None)
                | (Q(scope__in=("type", "facility"), message=None) & ~Q(value=""))
                | Q(scope="patient", value="", message__isnull=False, until__isnull=False),
                name="pause_names_what_it_stops",
                violation_error_message="Name a type or facility, or pause the whole queue.",
            ),
        )
        indexes = (
            models.Index(fields=["id"], condition=Q(settled_at=None), name="pause_unsettled"),
        )  # the worker's look

    def __str__(self) -> str:
        return f"pause {self.pk} of {self.what}"

    @property
    def what(self) -> str:
        """What is stopped, in words without patient data."""
        return f"the patient of message {self.message_id}" if self.message_id else self.value or "the whole queue"

    @property
    def is_in_force(self) -> bool:
        return self.resumed_at is None and (self.until is None or self.until > timezone.now())


class Rule(NamedTuple):
    """What a pause holds back, as the claim script hands it to the worker; of a patient only the pause's number."""

    pause_id: int
    scope: str
    value: str

    def holds(self, header: Header) -> bool:
        if self.scope == Pause.Scope.FACILITY:
            return header.sending_facility == self.value
        kind, _, _ = header.message_type.partition("^")
        return self.scope == Pause.Scope.TYPE and self.value in (header.message_type, kind)
