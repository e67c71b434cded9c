"""What the monitor remembers: how things were, minute by minute, and what it told people about."""

from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

PAGES: Final = {  # of the operators' pages, by the beginning of a metric's name
    "epicops_feed_": "interconnect_feed_changelist",
    "epicops_dead_letters_": "interconnect_failuregroup_changelist",
    "epicops_messages_": "interconnect_failuregroup_changelist",
    "epicops_queue_": "interconnect_batch_flow",
    "epicops_sessions_": "sessions_app_sessionrecord_changelist",
}


class Sample(models.Model):
    """How things were in one minute; null stands for a part that did not answer.

    Totals count from the beginning to half a minute before.
    """

    at = models.DateTimeField(primary_key=True, help_text="Beginning of the minute")
    waiting = models.BigIntegerField(null=True)
    oldest_seconds = models.FloatField(null=True, help_text="Age of the message that waits longest")
    applied = models.BigIntegerField()
    skipped = models.BigIntegerField()
    dead = models.BigIntegerField()
    open_dead_letters = models.BigIntegerField()
    last_message_id = models.BigIntegerField(help_text="The totals include it")
    session_ttls = models.JSONField(null=True, help_text="monitoring.session_ttls.Ttls")
    sessions_ended = models.JSONField(null=True, help_text="Sessions that ended in the minute before, by reason")
    cache_requests = models.JSONField(null=True, help_text="vitals.counts by field name; begins anew with the server")
    evicted = models.JSONField(null=True, help_text="evicted_keys by Redis role; begins anew with the server")
    silent_feeds = models.IntegerField(null=True, help_text="Senders that should have sent something by now")

    class Meta:
        ordering = ("-at",)
        permissions = (
            ("view_redis", "Can open the pages of the Redis servers"),
            ("view_redis_value", "Can see values in Redis"),
            ("change_redis_value", "Can replace cached vitals"),
        )

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"


class AlertRule(models.Model):
    """When a metric deserves somebody's attention. Migrations make some; operators adjust them."""

    class Severity(models.TextChoices):
        CRITICAL = "critical", "Critical"
        WARNING = "warning", "Warning"

    class Comparison(models.TextChoices):
        ABOVE = ">", "above"
        BELOW = "<", "below"

    name = models.CharField(max_length=60, unique=True)
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.WARNING)
    metric = models.CharField(max_length=60)
    label = models.CharField(max_length=100, blank=True, help_text="Only this value of the metric's label; empty: each")
    comparison = models.CharField(max_length=1, choices=Comparison, default=Comparison.ABOVE)
    threshold = models.FloatField()
    window = models.PositiveIntegerField(
        "growth within", default=0, help_text="Seconds; compares how much a total grew meanwhile. 0: compares the value"
    )
    hold = models.PositiveIntegerField("for", default=60, help_text="Seconds that it has to be so before anybody hears")
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ("severity", "name")

    def __str__(self) -> str:
        return self.name

    def is_met(self, value: float) -> bool:
        """Whether this value deserves attention."""
        return value > self.threshold if self.comparison == self.Comparison.ABOVE else value < self.threshold


class AlertQuerySet(models.QuerySet["Alert"]):
    def unresolved(self) -> "AlertQuerySet":
        """Those that people heard of and that go on."""
        return self.filter(raised_at__isnull=False, ended_at=None)


class Alert(models.Model):
    """One incident, from its beginning to its end. What comes back within five minutes is the same incident."""

    rule = models.ForeignKey(AlertRule, models.PROTECT, related_name="alerts")
    label = models.CharField(max_length=300, blank=True, help_text="The metric's label")
    value = models.FloatField(help_text="When it was last so")
    began_at = models.DateTimeField()
    raised_at = models.DateTimeField(null=True, help_text="When it had lasted as long as the rule says")
    last_met_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    acknowledged_at = models.DateTimeField(null=True)
    is_beginning_told = models.BooleanField(default=False)
    is_end_told = models.BooleanField(default=False)

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        permissions = (("acknowledge_alert", "Can acknowledge alerts"),)
        constraints = (
            models.UniqueConstraint(
                fields=["rule", "label"], name="one_alert_per_incident", condition=Q(ended_at=None)
            ),
        )
        indexes = (  # what is still to be told
            models.Index(fields=["id"], name="alert_untold", condition=Q(is_end_told=False)),
        )

    def __str__(self) -> str:
        is_told_by_rule = not self.label or self.label == self.rule.label
        return str(self.rule) if is_told_by_rule else f"{self.rule}: {self.label}"

    def get_absolute_url(self) -> str:
        """Return the page on which somebody sees what it is about; the alerts where there is none."""
        if self.rule.metric.startswith("epicops_redis_"):
            return reverse("redis_server", args=[self.label])
        names = (name for prefix, name in PAGES.items() if self.rule.metric.startswith(prefix))
        return reverse(f"admin:{next(names, 'monitoring_alert_changelist')}")
