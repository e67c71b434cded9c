"""What the monitor remembers: samples, rules and alerts."""

from django.conf import settings
from django.db import migrations, models
from django.db.models import PROTECT, Q

ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")

# A database that these have made has nothing left to do.
REPLACED = """
0001_monitoring_samples 0002_more_samples 0004_alerts 0006_redis_permissions
"""


class Migration(migrations.Migration):
    initial = True
    replaces = [("monitoring", name) for name in REPLACED.split()]
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            "Sample",
            [
                ("at", models.DateTimeField(help_text="Beginning of the minute", primary_key=True, serialize=False)),
                ("waiting", models.BigIntegerField(null=True)),
                ("oldest_seconds", models.FloatField(help_text="Age of the message that waits longest", null=True)),
                ("applied", models.BigIntegerField()),
                ("skipped", models.BigIntegerField()),
                ("dead", models.BigIntegerField()),
                ("open_dead_letters", models.BigIntegerField()),
                ("last_message_id", models.BigIntegerField(help_text="The totals include it")),
                ("session_ttls", models.JSONField(help_text="monitoring.session_ttls.Ttls", null=True)),
                (
                    "sessions_ended",
                    models.JSONField(help_text="Sessions that ended in the minute before, by reason", null=True),
                ),
                (
                    "cache_requests",
                    models.JSONField(help_text="vitals.counts by field name; begins anew with the server", null=True),
                ),
                (
                    "evicted",
                    models.JSONField(help_text="evicted_keys by Redis role; begins anew with the server", null=True),
                ),
                (
                    "silent_feeds",
                    models.IntegerField(help_text="Senders that should have sent something by now", null=True),
                ),
            ],
            options={
                "ordering": ("-at",),
                "permissions": (
                    ("view_redis", "Can open the pages of the Redis servers"),
                    ("view_redis_value", "Can see values in Redis"),
                    ("change_redis_value", "Can replace cached vitals"),
                ),
            },
        ),
        migrations.CreateModel(
            "AlertRule",
            [
                ("id", ID),
                ("name", models.CharField(max_length=60, unique=True)),
                (
                    "severity",
                    models.CharField(
                        choices=[("critical", "Critical"), ("warning", "Warning")], default="warning", max_length=8
                    ),
                ),
                ("metric", models.CharField(max_length=60)),
                (
                    "label",
                    models.CharField(
                        blank=True, help_text="Only this value of the metric's label; empty: each", max_length=100
                    ),
                ),
                ("comparison", models.CharField(choices=[(">", "above"), ("<", "below")], default=">", max_length=1)),
                ("threshold", models.FloatField()),
                (
                    "window",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Seconds; compares how much a total grew meanwhile. 0: compares the value",
                        verbose_name="growth within",
                    ),
                ),
                (
                    "hold",
                    models.PositiveIntegerField(
                        default=60, help_text="Seconds that it has to be so before anybody hears", verbose_name="for"
                    ),
                ),
                ("is_active", models.BooleanField(default=True)),
            ],
            options={
                "ordering": ("severity", "name"),
            },
        ),
        migrations.CreateModel(
            "Alert",
            [
                ("id", ID),
                ("rule", models.ForeignKey("monitoring.alertrule", PROTECT, related_name="alerts")),
                ("label", models.CharField(blank=True, help_text="The metric's label", max_length=300)),
                ("value", models.FloatField(help_text="When it was last so")),
                ("began_at", models.DateTimeField()),
                ("raised_at", models.DateTimeField(help_text="When it had lasted as long as the rule says", null=True)),
                ("last_met_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("acknowledged_by", models.ForeignKey(settings.AUTH_USER_MODEL, PROTECT, null=True, related_name="+")),
                ("acknowledged_at", models.DateTimeField(null=True)),
                ("is_beginning_told", models.BooleanField(default=False)),
                ("is_end_told", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ("-id",),
                "permissions": (("acknowledge_alert", "Can acknowledge alerts"),),
                "indexes": [models.Index(condition=Q(is_end_told=False), fields=["id"], name="alert_untold")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(ended_at=None), fields=("rule", "label"), name="one_alert_per_incident"
                    )
                ],
            },
        ),
    ]
