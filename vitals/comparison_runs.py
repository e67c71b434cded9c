"""Stored comparisons, so that what a page says of speed was measured on this deployment, for a named shape."""

import math
from typing import Final, NamedTuple

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

PERCENTILES: Final = ("p50", "p95", "p99")
BAR_WIDTH: Final = 400  # of the plot's viewBox


class Bar(NamedTuple):
    """One bar of the plot; `width` is on a logarithmic scale from 1 µs."""

    percentile: str
    side: str
    microseconds: float
    width: float
    y: int


class ComparisonRun(models.Model):
    """One shape, timed once: microseconds per read as p50, p95 and p99 of both sides, and PostgreSQL's plan."""

    shape = models.CharField(max_length=20)
    title = models.CharField("read", max_length=100)
    samples = models.PositiveIntegerField()
    postgresql = ArrayField(models.FloatField(), verbose_name="PostgreSQL")
    cache = ArrayField(models.FloatField())
    verdict = models.CharField(max_length=100)
    plan = models.TextField(blank=True)
    ran_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    ran_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "comparison"
        ordering = ("-id",)
        permissions = (("run_comparison", "Can time reads from PostgreSQL and from the cache"),)

    def __str__(self) -> str:
        return self.title

    @property
    def rows(self) -> list[tuple[str, float, float]]:
        """Return the table: percentile, PostgreSQL, cache."""
        return list(zip(PERCENTILES, self.postgresql, self.cache, strict=True))

    @property
    def bars(self) -> list[Bar]:
        longest = math.log10(max(*self.postgresql, *self.cache, 10.0))
        bars: list[Bar] = []
        for percentile, *times in self.rows:
            for side, time in zip(("PostgreSQL", "Cache"), times, strict=True):
                width = max(BAR_WIDTH * math.log10(max(time, 1.0)) / longest, 1)
                bars.append(Bar(percentile, side, time, round(width, 1), 4 + 26 * len(bars)))
        return bars
