"""How clinicians' pages write times, units and beds."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from django import template
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime

from vitals.documents import STALE_AFTER
from vitals.early_warning import NAMES, EarlyWarning
from vitals.models import Bed
from vitals.rows import Cell

register = template.Library()

AGE: Final = (
    '<span class="age"><span class="flag" data-stale{}>stale {} </span><time datetime="{}" data-age>{}</time></span>'
)
READING: Final = (
    '<span class="value"><span data-stale{}>[</span>{}<span data-stale{}>]</span></span>'
    ' <span class="unit">{}</span>{}\n{}'
)
DUE: Final = '{}<time datetime="{}" data-due>{}</time>'
SCORE: Final = '<span class="score">{}</span> <span class="word">{}</span>{} <span class="set">at {}</span>'
CHANGE: Final = ' <span class="change"><span aria-hidden="true">{}</span><span class="hidden">{}</span></span>'
LACKS: Final = '<span class="flag">incomplete</span> <span class="lacks">lacks {}</span>'
LAST: Final = '{} <span class="set">last {} {} at {}</span>'
NOTHING: Final = mark_safe("")
HIDDEN: Final = mark_safe(" hidden")
CONTINUOUS: Final = mark_safe("continuous, ")
NOT_MADE: Final = '<span class="none">no NEWS2: {}</span>'
NONE: Final = mark_safe('<span class="none" aria-hidden="true">&ndash;</span>')
NO_READING: Final = NONE + mark_safe('<span class="hidden">no reading</span>')
NOTHING_MEASURED: Final = mark_safe('<span class="flag">no readings yet</span>')
NO_SET: Final = mark_safe('<span class="quiet">no complete set in 12 h</span>')
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
    clock, stamp = _written(at)
    return format_html(AGE, NOTHING if is_old or is_stale(at, now) else HIDDEN, clock, stamp, escaped(age(at, now)))


@lru_cache(maxsize=10_000)
def escaped(text: str) -> SafeString:
    """Return the text escaped, and kept: boards repeat what they say, and escaping it took half of a row's time."""
    return escape(text)


@lru_cache(maxsize=5000)
def _written(at: datetime) -> tuple[SafeString, SafeString]:
    """Return a time as clocks here show it, and for machines."""
    local = localtime(at)
    return escape(f"{local:%H:%M}"), escape(local.isoformat(timespec="seconds"))


@register.simple_tag
def reading_of(cell: Cell, now: datetime) -> SafeString:
    """Return a reading with its unit and age, in brackets that show once it is stale."""
    reading = cell.reading
    if reading is None:
        return NO_READING
    hidden = NOTHING if is_stale(reading.observed_at, now) else HIDDEN
    return format_html(
        READING,
        hidden,
        escaped(reading.text),
        hidden,
        escaped(printed(cell.unit)),
        NOTHING if reading.is_verified else UNVERIFIED,
        age_of(reading.observed_at, now),
    )


@register.filter
def due(at: datetime, now: datetime) -> str:
    """Return how long until a time, or since: "in 25 min", "overdue 5 min"."""
    return f"overdue {age(at, now)}" if now > at else f"in {age(now, at)}"


@register.simple_tag
def news2_of(warning: EarlyWarning) -> SafeString:
    """Return the score with its word, where it is going, and when it was; or what it lacks."""
    if warning.not_made:
        return format_html(NOT_MADE, warning.not_made)
    if warning.scored is None:
        return _lacks(warning.missing)
    clock, word = _written(warning.scored.at)[0], escaped(warning.scored.risk)
    if warning.is_outdated:
        return format_html(LAST, NO_SET, warning.scored.total, word, f"{localtime(warning.scored.at):%-d %b %Y %H:%M}")
    if warning.total is None:
        return format_html(LAST, _lacks(warning.missing), warning.scored.total, word, clock)
    return format_html(SCORE, escaped(str(warning.total)), word, _change(warning), clock)


def _lacks(missing: tuple[str, ...]) -> SafeString:
    return NOTHING_MEASURED if len(missing) == len(NAMES) else format_html(LACKS, ", ".join(missing))


def _change(warning: EarlyWarning) -> SafeString:
    if warning.before is None or warning.change is None:
        return NOTHING
    return _went(warning.change, _written(warning.before.at)[0])


@lru_cache(maxsize=5000)
def _went(points: int, since: SafeString) -> SafeString:
    if points == 0:
        return format_html(CHANGE, "=", f"the same as at {since}")
    arrow, word = ("▲", "up") if points > 0 else ("▼", "down")
    return format_html(CHANGE, f"{arrow} {abs(points)}", f"{word} {abs(points)} since {since}")


@register.simple_tag
def due_of(warning: EarlyWarning, now: datetime) -> SafeString:
    """Return when the next set is due, as a time that the page counts down by itself."""
    if warning.due_at is None:
        return NONE if warning.not_made else NO_SET
    title = CONTINUOUS if warning.is_continuous else NOTHING
    return format_html(DUE, title, _written(warning.due_at)[1], escaped(due(warning.due_at, now)))


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
