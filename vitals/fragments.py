"""Rows of boards as HTML. A poll takes what any poll before it has rendered: browsers count the ages up themselves."""

from datetime import datetime
from typing import Final
from weakref import WeakKeyDictionary

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from vitals.rows import Row

_html: Final[WeakKeyDictionary[Row, SafeString]] = WeakKeyDictionary()


def row_html(row: Row, now: datetime) -> SafeString:
    """Return the row as rendered by whoever asked first since it changed; its ages may be of then."""
    found = _html.get(row)
    if found is None:
        found = _html[row] = new_row_html(row, now)
    return found


def new_row_html(row: Row, now: datetime) -> SafeString:
    """Return the row rendered now."""
    return render_to_string("hyperspace/_row.html", {"row": row, "now": now})
