"""Wards and their beds, and whose they are to see."""

import re
from functools import lru_cache
from typing import Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Count, F, Q


class UnitQuerySet(models.QuerySet["Unit"]):
    def visible_to(self, user: AbstractUser) -> Self:
        """Return the wards this person works on."""
        return self.filter(staff=user)

    def with_occupancy(self) -> Self:
        """Add `bed_count`, `occupied_count` and `free_count`."""
        current = Q(beds__stays__isnull=False, beds__stays__to_at=None)
        return self.annotate(
            bed_count=Count("beds", distinct=True),
            occupied_count=Count("beds", filter=current, distinct=True),
            free_count=F("bed_count") - F("occupied_count"),
        )


class Unit(models.Model):
    """A ward. PV1-3.1 within its facility (PV1-3.4)."""

    facility = models.CharField(max_length=227, blank=True)
    code = models.CharField(max_length=64)
    name = models.CharField(max_length=100, blank=True)
    staff = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="units", blank=True)

    objects = UnitQuerySet.as_manager()

    class Meta:
        ordering = ("code",)
        constraints = (models.UniqueConstraint(fields=["facility", "code"], name="one_unit_per_code"),)

    def __str__(self) -> str:
        return self.name or self.code


class Bed(models.Model):
    """A bed, or any other place a patient can be: PV1-3 without its unit."""

    unit = models.ForeignKey(Unit, models.PROTECT, related_name="beds")
    room = models.CharField(max_length=64, blank=True)
    label = models.CharField(max_length=64, blank=True)
    key = models.SlugField(max_length=80, unique=True, help_text="Its name in Redis keys and addresses")

    class Meta:
        ordering = ("unit", "key")
        constraints = (models.UniqueConstraint(fields=["unit", "room", "label"], name="one_bed_per_location"),)

    def __str__(self) -> str:
        return self.key


@lru_cache(maxsize=5000)
def in_order(key: str) -> list[tuple[int, str]]:
    """Return the sort key of a bed's name, by which bed9 comes before bed10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", key)]
