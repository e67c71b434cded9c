"""Feeds: what each sender delivers, by the hour, so that silence can be told from a quiet night."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import models


class Gap(NamedTuple):
    """Numbers from `first` to `last` that had not come when a later one did, at Unix time `at`."""

    first: int
    last: int
    at: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    @property
    def name(self) -> str:
        """What tells it from the feed's other gaps."""
        return f"{self.first}-{self.last}-{self.at}"

    @property
    def noticed_at(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


class Feed(models.Model):
    """One sender, as MSH-3 and MSH-4 name it, and what came from it in all."""

    application = models.CharField(max_length=227, help_text="MSH-3.1")
    facility = models.CharField(max_length=227, help_text="MSH-4.1")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    messages = models.BigIntegerField(help_text="All deliveries, replays not counted")
    duplicates = models.BigIntegerField(help_text="Sent again, not applied again")
    reused = models.BigIntegerField(help_text="Control ids that came before with other content")

    refused = models.BigIntegerField(db_default=0, help_text="Frames that named this sender and were not accepted")

    is_silent: bool  # put here for a page: interconnect/admin/feeds.py
    recent: Sequence[int]

    class Meta:
        ordering = ("application", "facility")
        constraints = (models.UniqueConstraint(fields=["application", "facility"], name="one_feed_per_sender"),)

    def __str__(self) -> str:
        return " @ ".join(filter(None, (self.application, self.facility))) or "(no sender)"

    def gaps(self) -> list[Gap]:
        """Return what is missing of the numbers it counts up and nobody dismissed, the oldest first."""
        missing = self.sequence.missing() if hasattr(self, "sequence") else []  # nobody has looked yet
        return [gap for gap in missing if not any(known.covers(gap) for known in self.dismissals.all())]


class FeedHour(models.Model):
    """How many messages of a feed came in one hour."""

    feed = models.ForeignKey(Feed, models.CASCADE, related_name="hours")
    hour = models.DateTimeField(help_text="Its beginning")
    messages = models.IntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["feed", "hour"], name="one_row_per_feed_and_hour"),)

    def __str__(self) -> str:
        return f"{self.feed_id} {self.hour:%Y-%m-%d %H}:00"
