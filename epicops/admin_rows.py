"""The rows of the console's lists as the stock admin renders them, in a third of the time: one format string each.

The stock tag finds out for each cell anew what its column is. Here that is done once for texts and for what a method
of the admin returns; the stock tag renders the other cells. Each cell has the name of its column, too: a narrow page
shows it there (admin.css).
"""

import copy
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from django.contrib.admin.templatetags.admin_list import items_for_result
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import display_for_value
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist
from django.db.models import CharField, Model, TextField
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

Cell = Callable[[Any], object]

CLASSES = {"action_checkbox": "action-checkbox"}


def rows(changes: ChangeList, names: Iterable[str]) -> SafeString:
    """Return the rows of a list's table, whose columns have these names.

    There are none where only the stock tag knows how: in a pop-up, in a form, with several columns of links.
    """
    if changes.is_popup or changes.formset or len(changes.list_display_links or ()) > 1:
        return SafeString()
    named = zip(changes.list_display, names, strict=True)
    columns = [_column(changes, str(field), escape(capfirst(name))) for field, name in named]
    row = f"<tr>{''.join(form for form, _ in columns)}</tr>"
    return format_html_join("\n", row, ([cell(record) for _, cell in columns] for record in changes.result_list))


def _column(changes: ChangeList, name: str, label: str) -> tuple[str, Cell]:
    """Return how a cell begins and ends, and what makes its content."""
    read = _reader(changes, name)
    if read is None:
        return "{}", _stock(changes, name, label)
    empty, kind = changes.model_admin.get_empty_value_display(), CLASSES.get(name, f"field-{name}")

    def shown(record: Model) -> object:
        value = read(record)
        if isinstance(value, str):
            return value if value.strip() else empty
        return display_for_value(value, empty)

    if name not in (changes.list_display_links or ()):
        named = "" if name in CLASSES else f' data-label="{label}"'
        return f'<td class="{kind}"{named}>{{}}</td>', shown
    filters = add_preserved_filters({"preserved_filters": changes.preserved_filters, "opts": changes.opts}, "")
    link = '<a href="{}{}">{}</a>'
    return (
        f'<th class="{kind}">{{}}</th>',
        lambda record: format_html(link, changes.url_for_result(record), filters, shown(record)),
    )


def _reader(changes: ChangeList, name: str) -> Cell | None:
    """Return what reads a cell's value; None where it takes more than that to show it."""
    if name == "__str__":
        return str
    try:
        field: Any = changes.lookup_opts.get_field(name)
    except FieldDoesNotExist:
        method = getattr(changes.model_admin, name, None)
        is_plain = not hasattr(method, "boolean") and not hasattr(method, "empty_value_display")
        return method if callable(method) and is_plain else None
    return attrgetter(name) if type(field) in {CharField, TextField} and not field.choices else None


def _stock(changes: ChangeList, name: str, label: str) -> Cell:
    alone = copy.copy(changes)
    alone.list_display = [name]

    def shown(record: Model) -> SafeString:
        cell = str(next(iter(items_for_result(alone, record, None))))
        return mark_safe(cell.replace("<td", f'<td data-label="{label}"', 1))  # noqa: S308  the stock tag's

    return shown
