"""Every message and what became of it, dead letters and what people do about them, senders, and the queue's runs."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex, GinIndex
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models
from django.db.models import CASCADE, PROTECT, Q
from django.db.models.functions import Now

ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")
CONSENT = models.CharField(
    choices=[
        ("none", "Needs no second operator"),
        ("waiting", "Waits for a second operator"),
        ("given", "Agreed to by a second operator"),
        ("refused", "Refused by a second operator"),
    ],
    db_default="none",
    default="none",
    max_length=7,
)

# A database that these have made has nothing left to do.
REPLACED = """
0001_initial 0002_initial 0003_console_triage 0003_the_wire 0004_console_file_old_letters
0005_console_roles 0006_console_search 0007_console_revisions 0008_console_editors
0009_console_redrives 0010_console_redrivers 0011_duplicate_of 0012_supervised_redrives
0013_redrive_viewers 0014_export_permission 0015_exporters 0016_pauses 0017_pausers 0018_lean_writes
0019_feed_health 0020_feed_viewers 0021_repairs 0022_repairers 0023_batch_permissions
0024_batch_viewers 0025_queue_runs 0026_queue_run_viewers 0027_replay_modes 0028_four_eyes
0029_patient_holds 0030_gap_dismissals
"""


class Migration(migrations.Migration):
    initial = True
    replaces = [("interconnect", name) for name in REPLACED.split()]
    dependencies = [("vitals", "0001_schema"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            "Batch",
            [
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("size", models.PositiveIntegerField()),
                ("lane", models.PositiveSmallIntegerField(default=0)),
                ("worker", models.CharField(max_length=100)),
                ("committed_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "verbose_name_plural": "batches",
                "ordering": ("-id",),
                "permissions": (("release_batch", "Can release claims in flight and put their messages aside"),),
            },
        ),
        migrations.CreateModel(
            "InboundMessage",
            [
                ("id", ID),
                (
                    "batch",
                    models.ForeignKey(
                        "interconnect.batch", PROTECT, db_constraint=False, db_index=False, related_name="messages"
                    ),
                ),
                ("ordinal", models.PositiveIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("applied", "Applied"),
                            ("skipped", "Skipped"),
                            ("dead", "Dead letter"),
                            ("held", "Held by a pause"),
                            ("released", "Held, then delivered"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "reason",
                    models.CharField(blank=True, help_text="Why it was skipped; never patient data", max_length=200),
                ),
                ("message_type", models.CharField(blank=True, help_text="MSH-9, for example ADT^A01", max_length=20)),
                ("control_id", models.CharField(blank=True, help_text="MSH-10", max_length=199)),
                ("sending_application", models.CharField(blank=True, help_text="MSH-3.1", max_length=227)),
                ("sending_facility", models.CharField(blank=True, help_text="MSH-4.1", max_length=227)),
                ("patient", models.ForeignKey("vitals.patient", PROTECT, null=True, related_name="messages")),
                ("raw", models.BinaryField(help_text="The bytes as delivered")),
                ("sha256", models.BinaryField(max_length=32)),
                ("applied_at", models.DateTimeField(db_default=Now())),
                (
                    "replay_of",
                    models.ForeignKey(
                        "interconnect.inboundmessage", PROTECT, db_index=False, null=True, related_name="replays"
                    ),
                ),
                (
                    "duplicate_of",
                    models.ForeignKey(
                        "interconnect.inboundmessage",
                        PROTECT,
                        db_index=False,
                        help_text="Applied before; not again",
                        null=True,
                        related_name="copies",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "permissions": (("export_inboundmessage", "Can export messages"),),
                "indexes": [
                    models.Index(fields=["control_id", "sending_application", "sha256"], name="message_by_control_id"),
                    models.Index(fields=["status", "-id"], name="message_by_status"),
                    models.Index(
                        condition=Q(duplicate_of__isnull=False), fields=["duplicate_of"], name="message_copies"
                    ),
                    BrinIndex(fields=["applied_at"], name="message_by_time"),
                    models.Index(condition=~Q(replay_of=None), fields=["replay_of"], name="message_replays"),
                ],
                "constraints": [models.UniqueConstraint(fields=("batch", "ordinal"), name="delivery_once")],
            },
        ),
        migrations.CreateModel(
            "Pause",
            [
                ("id", ID),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("queue", "The whole queue"),
                            ("type", "A message type"),
                            ("facility", "A sending facility"),
                            ("patient", "One patient's messages"),
                        ],
                        default="queue",
                        max_length=8,
                    ),
                ),
                (
                    "value",
                    models.CharField(
                        blank=True, help_text="MSH-9 as ORU^R01, or ORU for all its events; MSH-4.1", max_length=227
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        "interconnect.inboundmessage",
                        PROTECT,
                        blank=True,
                        db_index=False,
                        help_text="Whose patient's messages wait; see holds.py",
                        null=True,
                        related_name="holds",
                    ),
                ),
                ("reason", models.CharField(help_text="Never patient data", max_length=200)),
                ("paused_by", models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, related_name="+")),
                ("paused_at", models.DateTimeField(db_default=Now())),
                ("until", models.DateTimeField(blank=True, help_text="When it ends by itself", null=True)),
                (
                    "resumed_by",
                    models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, blank=True, null=True, related_name="+"),
                ),
                ("resumed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "settled_at",
                    models.DateTimeField(blank=True, help_text="When the last held message was applied", null=True),
                ),
            ],
            options={
                "ordering": ("-id",),
                "permissions": (("resume_pause", "Can resume what is paused"),),
                "indexes": [models.Index(condition=Q(settled_at=None), fields=["id"], name="pause_unsettled")],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(message=None, scope="queue", value="")
                        | (Q(message=None, scope__in=("type", "facility")) & ~Q(value=""))
                        | Q(message__isnull=False, scope="patient", until__isnull=False, value=""),
                        name="pause_names_what_it_stops",
                        violation_error_message="Name a type or facility, or pause the whole queue.",
                    )
                ],
            },
        ),
        migrations.AddField(  # after Pause, which may name a message itself
            "inboundmessage",
            "pause",
            models.ForeignKey("interconnect.pause", PROTECT, db_index=False, null=True, related_name="messages"),
        ),
        migrations.CreateModel(
            "MessageTokens",
            [
                (
                    "message",
                    models.OneToOneField(
                        "interconnect.inboundmessage",
                        CASCADE,
                        db_constraint=False,
                        primary_key=True,
                        related_name="tokens",
                        serialize=False,
                    ),
                ),
                ("tokens", ArrayField(base_field=models.BigIntegerField(), size=None)),
            ],
            options={
                "indexes": [GinIndex(fields=["tokens"], name="message_tokens")],
            },
        ),
        migrations.CreateModel(
            "Search",
            [
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("text", models.CharField(max_length=500)),
                ("name", models.CharField(blank=True, max_length=60)),
                ("searched_by", models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, related_name="+")),
                ("searched_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "verbose_name_plural": "searches",
                "constraints": [
                    models.UniqueConstraint(condition=~Q(name=""), fields=("name",), name="one_view_per_name")
                ],
            },
        ),
        migrations.CreateModel(
            "FailureGroup",
            [
                ("id", ID),
                ("fingerprint", models.BinaryField(max_length=32, unique=True)),
                ("error_class", models.CharField(max_length=60)),
                ("error_path", models.CharField(help_text="Without the number of the segment", max_length=40)),
                ("error_text", models.CharField(help_text="Numbers replaced by #", max_length=300)),
                ("message_type", models.CharField(max_length=20)),
                ("sending_application", models.CharField(max_length=227)),
                ("sending_facility", models.CharField(max_length=227)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("assigned", "Assigned"),
                            ("snoozed", "Snoozed"),
                            ("resolved", "Resolved"),
                        ],
                        db_default="open",
                        default="open",
                        max_length=8,
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, blank=True, null=True, related_name="+"),
                ),
                (
                    "note",
                    models.TextField(
                        blank=True, db_default="", default="", help_text="Never patient data", max_length=2000
                    ),
                ),
                ("snoozed_until", models.DateTimeField(blank=True, null=True)),
                ("first_seen_at", models.DateTimeField(db_default=Now())),
                ("last_seen_at", models.DateTimeField(db_default=Now())),
                (
                    "regressed_at",
                    models.DateTimeField(blank=True, help_text="When it came back after it was resolved", null=True),
                ),
            ],
            options={
                "verbose_name": "failure",
                "ordering": ("-last_seen_at", "-id"),
                "permissions": (("triage_failuregroup", "Can assign, snooze and resolve failure groups"),),
                "indexes": [models.Index(fields=["-last_seen_at", "-id"], name="failure_by_last_seen")],
            },
        ),
        migrations.CreateModel(
            "Discard",
            [
                ("id", ID),
                ("consent", CONSENT),
                ("decided_by", models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, null=True, related_name="+")),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("duplicate", "Duplicate of a message that was applied"),
                            ("resent", "The sender sent it again, corrected"),
                            ("superseded", "Newer messages make it pointless"),
                            ("not-ours", "Not meant for this system"),
                            ("test", "Test message"),
                            ("other", "Other"),
                        ],
                        max_length=12,
                    ),
                ),
                ("text", models.CharField(help_text="Why; never patient data", max_length=500)),
                ("count", models.PositiveIntegerField(help_text="Dead letters discarded by it")),
                ("discarded_by", models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, related_name="+")),
                ("discarded_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            "DeadLetter",
            [
                ("id", ID),
                ("message", models.OneToOneField("interconnect.inboundmessage", PROTECT, related_name="dead_letter")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("replaying", "Replay requested"),
                            ("resolved", "Resolved by replay"),
                            ("failed", "Replayed, failed again"),
                            ("discarded", "Discarded"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("group", models.ForeignKey("interconnect.failuregroup", PROTECT, null=True, related_name="letters")),
                ("error_class", models.CharField(help_text="For example missing-field", max_length=60)),
                ("error_code", models.CharField(blank=True, help_text="HL7 table 0357", max_length=10)),
                ("error_path", models.CharField(blank=True, help_text="For example PID-3.1", max_length=40)),
                ("error_text", models.CharField(help_text="For people; never patient data", max_length=300)),
                ("failed_at", models.DateTimeField(db_default=Now())),
                (
                    "pushed_at",
                    models.DateTimeField(blank=True, help_text="When it was put on interconnect:dlq", null=True),
                ),
                (
                    "replay_mode",
                    models.CharField(
                        choices=[
                            ("anyway", "Replay anyway"),
                            ("history", "History only: skip what would change the present"),
                            ("superseded", "Skip as superseded what newer messages have overtaken"),
                        ],
                        db_default="anyway",
                        default="anyway",
                        max_length=10,
                    ),
                ),
                (
                    "replay_requested_by",
                    models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, null=True, related_name="+"),
                ),
                ("replay_requested_at", models.DateTimeField(blank=True, null=True)),
                (
                    "discard",
                    models.ForeignKey(
                        "interconnect.discard",
                        PROTECT,
                        blank=True,
                        help_text="The last one, undone or not",
                        null=True,
                        related_name="letters",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "permissions": (
                    ("replay_deadletter", "Can replay dead letters"),
                    ("discard_deadletter", "Can discard dead letters"),
                    ("redrive_deadletter", "Can start supervised replays of many"),
                    ("edit_deadletter", "Can edit dead letters"),
                    ("restore_deadletter", "Can take discards back"),
                ),
                "indexes": [
                    models.Index(fields=["state", "-id"], name="dead_by_state"),
                    models.Index(condition=Q(pushed_at=None), fields=["id"], name="dead_outbox"),
                    models.Index(condition=Q(state="replaying"), fields=["id"], name="dead_replaying"),
                    models.Index(fields=["group", "state", "-id"], name="dead_by_group"),
                    models.Index(fields=["group", "failed_at"], name="dead_by_group_and_time"),
                ],
            },
        ),
        migrations.CreateModel(
            "Revision",
            [
                ("id", ID),
                ("consent", CONSENT),
                ("decided_by", models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, null=True, related_name="+")),
                ("decided_at", models.DateTimeField(null=True)),
                ("message", models.ForeignKey("interconnect.inboundmessage", PROTECT, related_name="revisions")),
                ("raw", models.BinaryField()),
                ("reason", models.CharField(help_text="Why; never patient data", max_length=300)),
                ("edited_by", models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, related_name="+")),
                ("edited_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            "Repair",
            [
                ("id", ID),
                ("name", models.CharField(max_length=80, unique=True)),
                ("group", models.ForeignKey("interconnect.failuregroup", PROTECT, related_name="repairs")),
                ("steps_made", models.JSONField(help_text="Each a path, the value there before, the value after")),
                ("made_by", models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, related_name="+")),
                ("made_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            "Redrive",
            [
                ("id", ID),
                (
                    "selection",
                    models.CharField(
                        help_text="The query of the list that the letters were chosen from", max_length=500
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("paused", "Paused"),
                            ("stopped", "Stopped: too many failed again"),
                            ("cancelled", "Cancelled"),
                            ("done", "Done"),
                        ],
                        default="running",
                        max_length=9,
                    ),
                ),
                (
                    "canary",
                    models.PositiveIntegerField(
                        default=10, help_text="So many first; their outcome decides about the rest"
                    ),
                ),
                (
                    "rate",
                    models.PositiveIntegerField(
                        default=50, help_text="Messages a second, at most", validators=[MinValueValidator(1)]
                    ),
                ),
                (
                    "stop_percent",
                    models.PositiveSmallIntegerField(
                        default=20,
                        help_text="% of those finished; stops when a larger share fails again",
                        validators=[MaxValueValidator(100)],
                        verbose_name="stop at",
                    ),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[
                            ("anyway", "Replay anyway"),
                            ("history", "History only: skip what would change the present"),
                            ("superseded", "Skip as superseded what newer messages have overtaken"),
                        ],
                        default="anyway",
                        max_length=10,
                        verbose_name="newer messages",
                    ),
                ),
                (
                    "opens_at",
                    models.TimeField(
                        blank=True,
                        help_text="Releases only between these times of day; empty: always",
                        null=True,
                        verbose_name="from",
                    ),
                ),
                ("closes_at", models.TimeField(blank=True, null=True, verbose_name="until")),
                (
                    "repair",
                    models.ForeignKey(
                        "interconnect.repair",
                        PROTECT,
                        blank=True,
                        help_text="Made on each",
                        null=True,
                        related_name="redrives",
                    ),
                ),
                ("started_by", models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, related_name="+")),
                ("started_at", models.DateTimeField(db_default=Now())),
                ("stepped_at", models.DateTimeField(db_default=Now(), help_text="What the rate is reckoned from")),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [models.Index(condition=Q(state="running"), fields=["id"], name="redrive_running")],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(closes_at=None, opens_at=None) | Q(closes_at__isnull=False, opens_at__isnull=False),
                        name="window_has_two_ends",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            "RedriveItem",
            [
                ("id", ID),
                ("redrive", models.ForeignKey("interconnect.redrive", PROTECT, related_name="items")),
                ("letter", models.ForeignKey("interconnect.deadletter", PROTECT, related_name="redrive_items")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("released", "With the worker"),
                            ("resolved", "Resolved"),
                            ("failed", "Failed again"),
                            ("left-out", "Left out: not open, or the repair does not fit"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["redrive", "state", "letter"], name="redrive_next")],
                "constraints": [models.UniqueConstraint(fields=("redrive", "letter"), name="redriven_once")],
            },
        ),
        migrations.CreateModel(
            "Feed",
            [
                ("id", ID),
                ("application", models.CharField(help_text="MSH-3.1", max_length=227)),
                ("facility", models.CharField(help_text="MSH-4.1", max_length=227)),
                ("first_seen_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("messages", models.BigIntegerField(help_text="All deliveries, replays not counted")),
                ("duplicates", models.BigIntegerField(help_text="Sent again, not applied again")),
                ("reused", models.BigIntegerField(help_text="Control ids that came before with other content")),
                (
                    "refused",
                    models.BigIntegerField(
                        db_default=0, help_text="Frames that named this sender and were not accepted"
                    ),
                ),
            ],
            options={
                "ordering": ("application", "facility"),
                "constraints": [
                    models.UniqueConstraint(fields=("application", "facility"), name="one_feed_per_sender")
                ],
            },
        ),
        migrations.CreateModel(
            "FeedHour",
            [
                ("id", ID),
                ("feed", models.ForeignKey("interconnect.feed", CASCADE, related_name="hours")),
                ("hour", models.DateTimeField(help_text="Its beginning")),
                ("messages", models.IntegerField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("feed", "hour"), name="one_row_per_feed_and_hour")],
            },
        ),
        migrations.CreateModel(
            "FeedSequence",
            [
                ("id", ID),
                ("feed", models.OneToOneField("interconnect.feed", CASCADE, related_name="sequence")),
                (
                    "series",
                    models.CharField(
                        blank=True, help_text="The field, and what stands before its digits", max_length=210
                    ),
                ),
                ("last", models.BigIntegerField(default=0)),
                ("gaps", models.JSONField(default=list, help_text="[first, last, Unix time], oldest first")),
                (
                    "settled",
                    models.IntegerField(
                        default=0, help_text="So many gaps are of an earlier series: nothing fills them"
                    ),
                ),
                ("late", models.BigIntegerField(default=0, help_text="Numbers that came after a gap had been noticed")),
                ("judged", models.IntegerField(default=0)),
                ("in_step", models.IntegerField(default=0, help_text="Of those judged")),
                ("message_id", models.BigIntegerField(default=0, help_text="The last message that was looked at")),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            "GapDismissal",
            [
                ("id", ID),
                ("feed", models.ForeignKey("interconnect.feed", CASCADE, related_name="dismissals")),
                ("first", models.BigIntegerField()),
                ("last", models.BigIntegerField()),
                (
                    "at",
                    models.BigIntegerField(
                        help_text="When it was noticed, Unix time: numbers come again in later series"
                    ),
                ),
                ("reason", models.CharField(help_text="Never patient data", max_length=200)),
                ("dismissed_by", models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, related_name="+")),
                ("dismissed_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "ordering": ("-id",),
                "permissions": (("dismiss_gap", "Can dismiss gaps in a sender's numbers"),),
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            "RefusedFrame",
            [
                ("id", ID),
                ("received_at", models.DateTimeField()),
                ("peer", models.CharField(help_text="Network address", max_length=45)),
                ("reason", models.CharField(max_length=100)),
                (
                    "code",
                    models.CharField(blank=True, help_text="MSA-1 of the answer; empty: there was none", max_length=2),
                ),
                (
                    "application",
                    models.CharField(blank=True, help_text="MSH-3.1, where it can be read", max_length=227),
                ),
                ("facility", models.CharField(blank=True, help_text="MSH-4.1", max_length=227)),
                ("size", models.BigIntegerField(help_text="Bytes, framing not counted")),
                ("head", models.BinaryField(help_text="The first bytes, at most 1,024")),
                ("answer", models.BinaryField(help_text="The acknowledgment that was sent")),
                ("repeats", models.IntegerField(default=1, help_text="Frames like this one that share the row")),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [models.Index(fields=["application", "facility", "-id"], name="refused_by_sender")],
            },
        ),
        migrations.CreateModel(
            "HttpSender",
            [
                ("id", ID),
                ("name", models.CharField(max_length=45, unique=True)),
                ("token_sha256", models.BinaryField(max_length=32, unique=True)),
                ("is_active", models.BooleanField(default=True)),
                ("issued_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            "InboxMessage",
            [
                ("id", ID),
                ("raw", models.BinaryField()),
                ("received_at", models.DateTimeField(db_default=Now())),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            "QueueRun",
            [
                ("id", ID),
                ("run_id", models.CharField(max_length=40)),
                ("replication_id", models.CharField(max_length=40)),
                ("offset", models.BigIntegerField(help_text="Of its replication stream, when last seen")),
                ("seen_from", models.DateTimeField(db_default=Now())),
                ("seen_at", models.DateTimeField(db_default=Now(), help_text="Last time")),
                (
                    "missing_bytes",
                    models.BigIntegerField(
                        help_text="Of the stream of the run before, as far as both servers tell; nothing for a restart",
                        null=True,
                    ),
                ),
                ("last_message", models.BigIntegerField(help_text="Messages up to this one came from earlier runs")),
                ("backlog", models.BigIntegerField(help_text="What waited when it was first seen")),
                ("unchecked", models.BigIntegerField(help_text="How many of those are still to be taken")),
                (
                    "recognised",
                    models.BigIntegerField(default=0, help_text="Messages that came back and were not applied again"),
                ),
            ],
            options={
                "verbose_name": "run of the queue's server",
                "verbose_name_plural": "runs of the queue's server",
                "ordering": ("-id",),
            },
        ),
    ]
