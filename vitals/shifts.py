"""Shifts of nurses: from one of the settings' times of day to the next, in the facility's time zone."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.utils.timezone import get_default_timezone, localtime


class Shift(NamedTuple):
    """From when until when; the end belongs to the next shift."""

    from_at: datetime
    to_at: datetime


def shift_at(at: datetime) -> Shift:
    """Return the shift that is on at this time."""
    today = localtime(at, get_default_timezone()).date()
    begins = [
        datetime.combine(today + timedelta(days=days), start, get_default_timezone())
        for days in (-1, 0, 1, 2)
        for start in sorted(settings.EPICOPS_SHIFTS)
    ]
    following = next(index for index, begin in enumerate(begins) if begin > at)
    return Shift(begins[following - 1], begins[following])
