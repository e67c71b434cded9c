"""Large replays as rows: what was chosen, how fast it may go, how far it is. No process holds any of it in memory."""

from datetime import time

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class ReplayMode(models.TextChoices):
    """What it means to a replay that newer messages of its patient were applied meanwhile."""

    ANYWAY = "anyway", "Replay anyway"
    HISTORY = "history", "History only: skip what would change the present"
    SUPERSEDED = "superseded", "Skip as superseded what newer messages have overtaken"


class Redrive(models.Model):
    """A supervised replay of many dead letters in their original order."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        STOPPED = "stopped", "Stopped: too many failed again"
        CANCELLED = "cancelled", "Cancelled"
        DONE = "done", "Done"

    selection = models.CharField(max_length=500, help_text="The query of the list that the letters were chosen from")
    state = models.CharField(max_length=9, choices=State, default=State.RUNNING)
    canary = models.PositiveIntegerField(default=10, help_text="So many first; their outcome decides about the rest")
    rate = models.PositiveIntegerField(
        default=50, validators=[MinValueValidator(1)], help_text="Messages a second, at most"
    )
    stop_percent = models.PositiveSmallIntegerField(
        default=20,
        validators=[MaxValueValidator(100)],
        verbose_name="stop at",
        help_text="% of those finished; stops when a larger share fails again",
    )
    mode = models.CharField("newer messages", max_length=10, choices=ReplayMode, default=ReplayMode.ANYWAY)
    opens_at = models.TimeField(
        null=True, blank=True, verbose_name="from", help_text="Releases only between these times of day; empty: always"
    )
    closes_at = models.TimeField(null=True, blank=True, verbose_name="until")
    repair = models.ForeignKey(
        "interconnect.Repair", models.PROTECT, null=True, blank=True, related_name="redrives", help_text="Made on each"
    )
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    started_at = models.DateTimeField(db_default=Now())
    stepped_at = models.DateTimeField(db_default=Now(), help_text="What the rate is reckoned from")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                name="window_has_two_ends",
                condition=Q(opens_at=None, closes_at=None) | Q(opens_at__isnull=False, closes_at__isnull=False),
            ),
        )
        indexes = (models.Index(fields=["id"], condition=Q(state="running"), name="redrive_running"),)  # the worker

    def __str__(self) -> str:
        return f"Redrive #{self.pk}"

    @property
    def has_ended(self) -> bool:
        return self.state in (self.State.DONE, self.State.CANCELLED)

    def is_open_at(self, now: time) -> bool:
        """Say whether letters may be released at this local time of day; a window may pass midnight."""
        if self.opens_at is None or self.closes_at is None:
            return True
        if self.opens_at <= self.closes_at:
            return self.opens_at <= now < self.closes_at
        return now >= self.opens_at or now < self.closes_at


class RedriveItem(models.Model):
    """One letter of a redrive, and what became of it there."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RELEASED = "released", "With the worker"
        RESOLVED = "resolved", "Resolved"
        FAILED_AGAIN = "failed", "Failed again"
        LEFT_OUT = "left-out", "Left out: not open, or the repair does not fit"

    redrive = models.ForeignKey(Redrive, models.PROTECT, related_name="items")
    letter = models.ForeignKey("interconnect.DeadLetter", models.PROTECT, related_name="redrive_items")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["redrive", "letter"], name="redriven_once"),)
        indexes = (models.Index(fields=["redrive", "state", "letter"], name="redrive_next"),)  # the next slice; counts

    def __str__(self) -> str:
        return f"{self.redrive_id}: {self.letter_id}"
