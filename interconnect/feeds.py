"""Feeds: what each sender delivers, by the hour, so that silence can be told from a quiet night."""

from django.db import models


class Feed(models.Model):
    """One sender, as MSH-3 and MSH-4 name it, and what came from it in all."""

    application = models.CharField(max_length=227, help_text="MSH-3.1")
    facility = models.CharField(max_length=227, help_text="MSH-4.1")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    messages = models.BigIntegerField(help_text="All deliveries, replays not counted")
    duplicates = models.BigIntegerField(help_text="Sent again, not applied again")
    reused = models.BigIntegerField(help_text="Control ids that came before with other content")

    class Meta:
        ordering = ("application", "facility")
        constraints = (models.UniqueConstraint(fields=["application", "facility"], name="one_feed_per_sender"),)

    def __str__(self) -> str:
        return " @ ".join(filter(None, (self.application, self.facility))) or "(no sender)"


class FeedHour(models.Model):
    """How many messages of a feed came in one hour."""

    feed = models.ForeignKey(Feed, models.CASCADE, related_name="hours")
    hour = models.DateTimeField(help_text="Its beginning")
    messages = models.IntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["feed", "hour"], name="one_row_per_feed_and_hour"),)

    def __str__(self) -> str:
        return f"{self.feed_id} {self.hour:%Y-%m-%d %H}:00"
