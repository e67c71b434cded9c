"""Large replays as rows: what was chosen, how fast it may go, how far it is. No process holds any of it in memory."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Redrive(models.Model):
    """A supervised replay of many dead letters in their original order."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        STOPPED = "stopped", "Stopped: too many failed again"
        CANCELLED = "cancelled", "Cancelled"
        DONE = "done", "Done"

    selection = models.CharField(max_length=500, help_text="The search that chose the letters")
    state = models.CharField(max_length=9, choices=State, default=State.RUNNING)
    rate = models.PositiveIntegerField(help_text="Messages a second, at most")
    canary = models.PositiveIntegerField(help_text="So many first; their outcome decides about the rest")
    stop_percent = models.PositiveSmallIntegerField(help_text="Stops when more than this share fails again")
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    started_at = models.DateTimeField(db_default=Now())
    stepped_at = models.DateTimeField(db_default=Now(), help_text="What the rate is reckoned from")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"Redrive #{self.pk}"


class RedriveItem(models.Model):
    """One letter of a redrive; its outcome is the letter's state."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RELEASED = "released", "Given to the worker"
        LEFT_OUT = "left-out", "Left out: not open any more"

    redrive = models.ForeignKey(Redrive, models.PROTECT, related_name="items")
    letter = models.ForeignKey("interconnect.DeadLetter", models.PROTECT, related_name="redrive_items")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["redrive", "letter"], name="redriven_once"),)
        indexes = (models.Index(fields=["redrive", "state", "letter"], name="redrive_next"),)  # the next slice

    def __str__(self) -> str:
        return f"{self.redrive_id}: {self.letter_id}"
