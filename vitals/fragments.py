"""Rows of boards as HTML. A poll takes what any poll before it has rendered: browsers count the ages up themselves.

A new reading changes few cells of a row: templates make only what changes seldom, and that is kept by what it says.
"""

from collections.abc import Hashable
from datetime import datetime
from functools import lru_cache
from typing import Final
from weakref import WeakKeyDictionary

from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from vitals.documents import SHOWN
from vitals.early_warning import EarlyWarning
from vitals.rows import Cell, Row
from vitals.templatetags.hyperspace import NOTHING, age_of, bed_name, due_of, escaped, is_stale, news2_of, reading_of

COLUMNS: Final = ("news2", *SHOWN, "updated", "due", "nurse", "discharge", "course")

ROW: Final = '<tr id="{key}-row">\n{patient}{news2}{readings}{updated}{due}{plan}{course}</tr>\n'
NEWS2: Final = (
    '  <td id="{}-news2" data-cell class="news2{}"><span class="label" aria-hidden="true">NEWS2</span>{}</td>\n'
)
READING: Final = '  <td id="{}-{}" data-cell class="figure{}"><span class="label" aria-hidden="true">{}</span>{}</td>\n'
UPDATED: Final = (
    '  <td id="{}-updated" data-cell data-source="{}" class="meta updated{}">{}<span class="quiet">{}</span></td>\n'
)
DUE: Final = (
    '  <td id="{}-due" data-cell class="meta due{}"><span class="label" aria-hidden="true">Next set</span>{}</td>\n'
)

STALE: Final = mark_safe(" stale")
OVERDUE: Final = mark_safe(" overdue")

_html: Final[WeakKeyDictionary[Row, SafeString]] = WeakKeyDictionary()


def row_html(row: Row, now: datetime) -> SafeString:
    """Return the row as rendered by whoever asked first since it changed; its ages may be of then."""
    found = _html.get(row)
    if found is None:
        found = _html[row] = new_row_html(row, now)
    return found


def new_row_html(row: Row, now: datetime) -> SafeString:
    """Return the row with its ages as they are now."""
    key, name = escaped(row.bed.key), bed_name(row.bed)
    if row.occupant is None:
        return _kept("_row_free", key=key, name=name, columns=COLUMNS)
    return format_html(
        ROW,
        key=key,
        patient=_kept("_row_patient", key=key, name=name, occupants=row.occupants),
        news2=_news2(key, row.warning),
        readings=format_html_join("", READING, (_reading(key, cell, now) for cell in row.cells)),
        updated=_updated(key, row, now),
        due=format_html(DUE, key, OVERDUE if row.warning.is_overdue(now) else NOTHING, due_of(row.warning, now)),
        plan=_kept("_row_plan", key=key, occupant=row.occupant),
        course=_kept("_row_course", key=key, course=row.course),
    )


@lru_cache(maxsize=10_000)
def _kept(template: str, **values: Hashable) -> SafeString:
    return render_to_string(f"hyperspace/{template}.html", values)


def _reading(key: SafeString, cell: Cell, now: datetime) -> tuple[SafeString, ...]:
    at = cell.reading.observed_at if cell.reading else None
    return key, escaped(cell.vital), _stale(at, now), escaped(cell.label), reading_of(cell, now)


def _news2(key: SafeString, warning: EarlyWarning) -> SafeString:
    risk = NOTHING if warning.total is None else escaped(f" risk-{warning.risk}")
    return format_html(NEWS2, key, risk, news2_of(warning))


def _updated(key: SafeString, row: Row, now: datetime) -> SafeString:
    at, source = row.updated_at, escaped(row.source or "")
    return format_html(UPDATED, key, source, _stale(at, now), age_of(at, now) if at else "no readings", source)


def _stale(at: datetime | None, now: datetime) -> SafeString:
    return STALE if at and is_stale(at, now) else NOTHING
