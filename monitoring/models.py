"""What the monitor remembers: how things were, minute by minute."""

from django.db import models


class Sample(models.Model):
    """How things were in one minute. Totals count from the beginning; null stands for a part that did not answer."""

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

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"
