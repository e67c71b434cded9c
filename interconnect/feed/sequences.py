"""Numbers that a sender counts up, and those among them that never came.

MSH-13 (sequence number protocol, section 2.10.1) where it is sent, else the digits that end MSH-10. Many senders put
something else there: what they send counts as a sequence only once it has proved to be one.
"""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from interconnect.feed.feeds import Feed, Gap

PROOF: Final = 20  # numbers before anything is said
IN_STEP: Final = 0.9  # of the numbers follow each other, or it is no sequence
MEMORY: Final = 1000  # numbers; older ones count half
JUMP: Final = 10_000  # further away it is a new series, not a gap
GAPS: Final = 500  # kept of one feed, the newest
KEPT: Final = 30 * 86_400  # seconds


class FeedSequence(models.Model):
    """How far a feed has counted, and what is missing."""

    feed = models.OneToOneField(Feed, models.CASCADE, related_name="sequence")
    series = models.CharField(max_length=210, blank=True, help_text="The field, and what stands before its digits")
    last = models.BigIntegerField(default=0)
    gaps = models.JSONField(default=list, help_text="[first, last, Unix time], oldest first")
    settled = models.IntegerField(default=0, help_text="So many gaps are of an earlier series: nothing fills them")
    late = models.BigIntegerField(default=0, help_text="Numbers that came after a gap had been noticed")
    judged = models.IntegerField(default=0)
    in_step = models.IntegerField(default=0, help_text="Of those judged")
    message_id = models.BigIntegerField(default=0, help_text="The last message that was looked at")

    class Meta:
        default_permissions = ()  # it is part of the feed's page

    def __str__(self) -> str:
        return f"{self.series} {self.last}"

    @property
    def is_proven(self) -> bool:
        return self.judged >= PROOF and self.in_step >= IN_STEP * self.judged

    def missing(self) -> list[Gap]:
        """Return the gaps, oldest first; none of what is no sequence."""
        return [Gap(*gap) for gap in self.gaps]

    def take(self, numbers: Sequence[tuple[str, int]], now: int) -> None:
        """Count on with (series, number) in the order they came; within one call the order of a series matters not."""
        gaps_before, restarts, taken = len(self.gaps), 0, 0
        for series, number in numbers:
            if series == self.series and number == self.last + 1:
                self.last = number
            elif series != self.series or number <= 1 or abs(number - self.last) > JUMP:
                self.series, self.last, self.settled = series, number, len(self.gaps)
                restarts += 1
            elif number > self.last:
                self.gaps.append(Gap(self.last + 1, number - 1, now))
                self.last = number
            elif not self._fill(number, now):
                continue  # it came before
            taken += 1
        self._judge(taken, restarts + max(len(self.gaps) - gaps_before, 0))
        self._forget(now)

    def _fill(self, number: int, now: int) -> bool:
        # Those of one series stand in the order of their numbers.
        place = bisect_right(self.gaps, number, lo=self.settled, key=itemgetter(0)) - 1
        if place < self.settled or number > self.gaps[place][1]:
            return False
        first, last, at = self.gaps[place]
        rest = (Gap(first, number - 1, at), Gap(number + 1, last, at))
        self.gaps[place : place + 1] = [gap for gap in rest if gap.size > 0]
        self.late += at < now
        return True

    def _judge(self, taken: int, out_of_step: int) -> None:
        if self.judged > MEMORY:
            self.judged, self.in_step = self.judged // 2, self.in_step // 2
        self.judged += taken
        self.in_step += max(taken - out_of_step, 0)

    def _forget(self, now: int) -> None:
        kept = [gap for gap in self.gaps[-GAPS:] if now - gap[2] < KEPT] if self.is_proven else []
        self.settled = max(self.settled - (len(self.gaps) - len(kept)), 0)
        self.gaps = kept


class GapDismissal(models.Model):
    """Somebody knows why these numbers never came: they are no longer counted as missing."""

    feed = models.ForeignKey(Feed, models.CASCADE, related_name="dismissals")
    first = models.BigIntegerField()
    last = models.BigIntegerField()
    at = models.BigIntegerField(help_text="When it was noticed, Unix time: numbers come again in later series")
    reason = models.CharField(max_length=200, help_text="Never patient data")
    dismissed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    dismissed_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)
        default_permissions = ()  # it is part of the feed's page
        permissions = (("dismiss_gap", "Can dismiss gaps in a sender's numbers"),)

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"

    def covers(self, gap: Gap) -> bool:
        """Whether the gap is this one, or what late messages have left of it."""
        return self.at == gap.at and self.first <= gap.first and gap.last <= self.last
