"""Rows as CSV for spreadsheets, sent while they are read."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, cast

from django.http import StreamingHttpResponse

from interconnect.finding.inspector import VISIBLE

# What makes a cell a formula, in full width too, and "|", which some take for DDE.
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "|")


class Echo:
    """A file whose `write` returns what it was given: csv.writer then hands each line on."""

    def write(self, line: str) -> str:
        return line


def cell(value: Any) -> Any:
    """Return the value printable, and so that no spreadsheet takes it for a formula: OWASP's apostrophe in front."""
    if not isinstance(value, str):
        return value
    shown = value.translate(VISIBLE)
    return f"'{shown}" if value.strip(" \xa0\ufeff").startswith(FORMULA) else shown


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    writer = csv.writer(Echo(), quoting=csv.QUOTE_NONNUMERIC)
    yield cast("str", writer.writerow(header))  # what Echo.write returned
    for row in rows:
        yield cast("str", writer.writerow([cell(value) for value in row]))


def download(lines: Iterable[str | bytes], name: str, content_type: str) -> StreamingHttpResponse:
    """Return a file to be saved; it is made while it is sent."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return StreamingHttpResponse(lines, content_type=content_type, headers=headers)
