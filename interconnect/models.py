"""Every HL7 message that was delivered, what became of it, and those that could not be applied."""

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Now

from interconnect.consumer.pauses import Pause, PauseQuerySet
from interconnect.consumer.queue_runs import QueueRun
from interconnect.dlq.failures import Discard, FailureGroup
from interconnect.dlq.redrives import Redrive, RedriveItem, ReplayMode
from interconnect.dlq.repairs import Repair
from interconnect.dlq.revisions import Revision
from interconnect.feed.feeds import Feed, FeedHour
from interconnect.feed.sequences import FeedSequence, GapDismissal
from interconnect.finding.searches import MessageTokens, Search
from interconnect.hl7.er7 import TOO_LARGE
from interconnect.wire.http_senders import HttpSender
from interconnect.wire.inbox import InboxMessage
from interconnect.wire.refused import RefusedFrame

__all__ = [
    "Batch",
    "DeadLetter",
    "DeadLetterQuerySet",
    "Discard",
    "FailureGroup",
    "Feed",
    "FeedHour",
    "FeedSequence",
    "GapDismissal",
    "HttpSender",
    "InboundMessage",
    "InboxMessage",
    "MessageTokens",
    "Pause",
    "PauseQuerySet",
    "QueueRun",
    "Redrive",
    "RedriveItem",
    "RefusedFrame",
    "Repair",
    "ReplayMode",
    "Revision",
    "Search",
]


class Batch(models.Model):
    """One claim of the queue, committed in one transaction. Its id, made by the client, makes redelivery harmless."""

    id = models.UUIDField(primary_key=True)
    size = models.PositiveIntegerField()
    lane = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=100)
    committed_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "batches"
        permissions = (("release_batch", "Can release claims in flight and put their messages aside"),)

    def __str__(self) -> str:
        return str(self.id)


class InboundMessage(models.Model):
    """One delivery of one HL7 message; the id follows the order in which deliveries were applied."""

    class Status(models.TextChoices):
        APPLIED = "applied", "Applied"
        SKIPPED = "skipped", "Skipped"
        DEAD = "dead", "Dead letter"
        HELD = "held", "Held by a pause"
        RELEASED = "released", "Held, then delivered"  # what became of it is said by its replay

    # (batch, ordinal) identifies the delivery: two identical pushes are two messages.
    # No index, `delivery_once` is one; no check of each row, both are written in one transaction.
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="messages", db_index=False, db_constraint=False)
    ordinal = models.PositiveIntegerField()
    status = models.CharField(max_length=8, choices=Status)
    reason = models.CharField(max_length=200, blank=True, help_text="Why it was skipped; never patient data")
    message_type = models.CharField(max_length=20, blank=True, help_text="MSH-9, for example ADT^A01")
    control_id = models.CharField(max_length=199, blank=True, help_text="MSH-10")
    sending_application = models.CharField(max_length=227, blank=True, help_text="MSH-3.1")
    sending_facility = models.CharField(max_length=227, blank=True, help_text="MSH-4.1")
    patient = models.ForeignKey(  # no check of each row, as for observations
        "vitals.Patient", models.PROTECT, null=True, related_name="messages", db_constraint=False
    )
    raw = models.BinaryField(help_text="The bytes as delivered")
    sha256 = models.BinaryField(max_length=32)
    applied_at = models.DateTimeField(db_default=Now())
    replay_of = models.ForeignKey("self", models.PROTECT, null=True, related_name="replays", db_index=False)
    duplicate_of = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="copies", db_index=False, help_text="Applied before; not again"
    )

    pause = models.ForeignKey(Pause, models.PROTECT, null=True, related_name="messages", db_index=False)

    patient_hint = ""  # what a list is about to show; see interconnect/admin/patients.py

    class Meta:
        permissions = (("export_inboundmessage", "Can export messages"),)
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["batch", "ordinal"], name="delivery_once"),)
        indexes = (
            # A sender's message by its control id; also finds duplicates and reuse.
            models.Index(fields=["control_id", "sending_application", "sha256"], name="message_by_control_id"),
            models.Index(fields=["status", "-id"], name="message_by_status"),  # the admin's status filter
            # The copies of a message, on its page; few messages are copies.
            models.Index(fields=["duplicate_of"], condition=Q(duplicate_of__isnull=False), name="message_copies"),
            BrinIndex(fields=["applied_at"], name="message_by_time"),  # a search by age; rows lie in this order
            models.Index(fields=["replay_of"], condition=~Q(replay_of=None), name="message_replays"),
        )

    def __str__(self) -> str:
        return f"{self.message_type or 'Message'} #{self.pk}"


class DeadLetterQuerySet(models.QuerySet["DeadLetter"]):
    def open(self) -> "DeadLetterQuerySet":
        """Those that wait for a person."""
        return self.filter(state=DeadLetter.State.OPEN)

    def replayable(self) -> "DeadLetterQuerySet":
        """Open ones whose last edit waits for no second operator, and not too large to be read."""
        last = Revision.objects.filter(message=OuterRef("message")).order_by("-pk").values("consent")[:1]
        open_ones = self.open().exclude(error_class=TOO_LARGE).alias(consent=Coalesce(Subquery(last), Value("")))
        return open_ones.exclude(consent=Revision.Consent.WAITING)

    def request_replay(self, by: models.Model, mode: str = "anyway") -> int:
        """Ask the worker to deliver these once more, in their original order; return how many could be."""
        return self.replayable().update(
            state=DeadLetter.State.REPLAYING,
            replay_mode=mode,
            replay_requested_by=by,
            replay_requested_at=Now(),
        )


class DeadLetter(models.Model):
    """A message that could not be applied, and what became of it; `interconnect:dlq` is only its outbox."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        REPLAYING = "replaying", "Replay requested"
        RESOLVED = "resolved", "Resolved by replay"
        FAILED_AGAIN = "failed", "Replayed, failed again"
        DISCARDED = "discarded", "Discarded"

    message = models.OneToOneField(InboundMessage, models.PROTECT, related_name="dead_letter")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    group = models.ForeignKey(FailureGroup, models.PROTECT, null=True, related_name="letters")
    error_class = models.CharField(max_length=60, help_text="For example missing-field")
    error_code = models.CharField(max_length=10, blank=True, help_text="HL7 table 0357")
    error_path = models.CharField(max_length=40, blank=True, help_text="For example PID-3.1")
    error_text = models.CharField(max_length=300, help_text="For people; never patient data")
    failed_at = models.DateTimeField(db_default=Now())
    pushed_at = models.DateTimeField(null=True, blank=True, help_text="When it was put on interconnect:dlq")
    replay_mode = models.CharField(max_length=10, choices=ReplayMode, default=ReplayMode.ANYWAY, db_default="anyway")
    replay_requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    replay_requested_at = models.DateTimeField(null=True, blank=True)
    discard = models.ForeignKey(
        Discard, models.PROTECT, null=True, blank=True, related_name="letters", help_text="The last one, undone or not"
    )

    objects = DeadLetterQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        permissions = (
            ("replay_deadletter", "Can replay dead letters"),
            ("discard_deadletter", "Can discard dead letters"),
            ("redrive_deadletter", "Can start supervised replays of many"),
            ("edit_deadletter", "Can edit dead letters"),
            ("restore_deadletter", "Can take discards back"),
        )
        indexes = (
            models.Index(fields=["state", "-id"], name="dead_by_state"),  # the admin's state filter
            models.Index(fields=["id"], condition=Q(pushed_at=None), name="dead_outbox"),  # the outbox sweep
            models.Index(fields=["id"], condition=Q(state="replaying"), name="dead_replaying"),  # the worker's look
            models.Index(fields=["group", "state", "-id"], name="dead_by_group"),  # a group's counts and its letters
            models.Index(fields=["group", "failed_at"], name="dead_by_group_and_time"),  # a group's sparkline
        )

    def __str__(self) -> str:
        return f"Dead letter #{self.pk}"
