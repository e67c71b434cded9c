"""How clinicians' pages write times, units and beds."""

from datetime import datetime, timedelta
from typing import Final

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime

from vitals.documents import STALE_AFTER
from vitals.models import Bed
from vitals.rows import Cell

register = template.Library()

NO_READING: Final = mark_safe(
    '<span class="none" aria-hidden="true">&ndash;</span><span class="hidden">no reading</span>'
)
UNVERIFIED: Final = mark_safe(' <span class="flag">unverified</span>')

SILENT_AFTER: Final = timedelta(minutes=2)  # a ward without any new reading: its feed, not a patient's schedule
MINUTE, HOUR, DAY = 60, 3600, 86400
PRINTED_UNITS: Final = {"mm[Hg]": "mmHg", "Cel": "°C"}


@register.filter
def age(at: datetime, now: datetime) -> str:
    """Return how old a reading is: 12 s, 4 min, 3 h or 2 d."""
    seconds = max(int((now - at).total_seconds()), 0)
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min"
    return f"{seconds // HOUR} h" if seconds < DAY else f"{seconds // DAY} d"


@register.simple_tag
def age_of(at: datetime, now: datetime, *, is_old: bool = False) -> SafeString:
    """Return an age that the page counts up by itself, under a flag that shows once the time `is_old` or stale."""
    local = localtime(at)
    return format_html(
        '<span class="age"><span class="flag" data-stale{}>stale {} </span>'
        '<time datetime="{}" data-age>{}</time></span>',
        "" if is_old or is_stale(at, now) else " hidden",
        f"{local:%H:%M}",
        local.isoformat(timespec="seconds"),
        age(at, now),
    )


@register.simple_tag
def reading_of(cell: Cell, now: datetime) -> SafeString:
    """Return a reading with its unit and age, in brackets that show once it is stale."""
    reading = cell.reading
    if reading is None:
        return NO_READING
    hidden = "" if is_stale(reading.observed_at, now) else " hidden"
    return format_html(
        '<span class="value"><span data-stale{}>[</span>{}<span data-stale{}>]</span></span>'
        ' <span class="unit">{}</span>{}\n{}',
        hidden,
        reading.text,
        hidden,
        printed(cell.unit),
        "" if reading.is_verified else UNVERIFIED,
        age_of(reading.observed_at, now),
    )


@register.filter
def due(at: datetime, now: datetime) -> str:
    """Return how long until a time, or since: "in 25 min", "overdue 5 min"."""
    return f"overdue {age(at, now)}" if now > at else f"in {age(now, at)}"


@register.filter
def magnitude(points: int) -> int:
    return abs(points)


@register.filter
def is_stale(at: datetime, now: datetime) -> bool:
    return now - at > STALE_AFTER


@register.filter
def is_silent(at: datetime | None, now: datetime) -> bool:
    return at is not None and now - at > SILENT_AFTER


@register.simple_tag
def silent_seconds() -> int:
    return int(SILENT_AFTER.total_seconds())


@register.filter
def printed(unit: str) -> str:
    """Return a UCUM unit as wards print it."""
    return PRINTED_UNITS.get(unit, unit)


@register.filter
def bed_name(bed: Bed) -> str:
    """Return what is on the bed's sign: room and bed, once where they are the same."""
    return "-".join(dict.fromkeys(filter(None, (bed.room, bed.label)))) or bed.key
