"""Checking the audit trail against its chain: every changed, missing, moved or invented row is named.

What the database alone cannot show is a trail that was cut together with the stream's earlier, properly signed row.
For that, somebody else keeps a witness: the heads of an earlier check (`verify_audit --witness`).
"""

import hmac
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

from django.db import connection, transaction

from audit.chain import START, Content, head_mac, row_mac
from audit.models import AuditEvent, AuditStream

FETCH: Final = 2_000  # rows at a time
LISTED: Final = 100  # findings; with another key every row of the trail is one
Row = tuple[Any, ...]
LINK: Final = ("stream_id", "seq", "mac", "id", "recorded_at")
COLUMNS: Final = (*LINK, *Content._fields)


class Head(NamedTuple):
    """The end of a stream: its last row's number and MAC."""

    seq: int
    mac: str


class Result(NamedTuple):
    """What a check found: `findings`, the first LISTED of all that were `found`, is empty when the trail is whole."""

    rows: int
    findings: list[str]
    heads: dict[int, Head]
    found: int


def verify(witness: Mapping[int, Head]) -> Result:
    """Check all rows, as of one moment, and that each stream still holds what the witness saw."""
    checker = Checker(witness)
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        streams = {stream.pk: stream for stream in AuditStream.objects.order_by("pk")}
        ordered = AuditEvent.objects.order_by("stream_id", "seq", "id").values_list(*COLUMNS)
        for pk, rows in groupby(ordered.iterator(chunk_size=FETCH), key=itemgetter(0)):
            checker.check_stream(pk, streams.pop(pk, None), rows)
        for pk, stream in streams.items():
            checker.check_stream(pk, stream, iter(()))
    checker.missing_streams()
    return Result(checker.rows, checker.findings, checker.heads, checker.found)


class Checker:
    """Walks the streams and remembers what is wrong."""

    def __init__(self, witness: Mapping[int, Head]) -> None:
        self.witness = witness
        self.rows = 0
        self.findings: list[str] = []
        self.found = 0
        self.heads: dict[int, Head] = {}

    def check_stream(self, pk: int, stream: AuditStream | None, rows: Iterator[Row]) -> None:
        """Check one stream's rows, which come in order, and where it ends."""
        report: Callable[[str], None] = lambda text: self._report(f"stream {pk}: {text}")  # noqa: E731
        if stream is None:
            report("its head is missing")
        elif not is_signed(stream):
            report("its head has been changed")
        seen = self.witness.get(pk)
        mac: bytes | None = bytes(stream.kept_mac) if stream else START
        last = stream.kept_from - 1 if stream else 0
        for row in rows:
            mac = self._check_row(row, last, mac, report)
            last = max(last, row[1])
            if seen and seen.seq == row[1] and seen.mac != mac.hex():
                report(f"row {row[3]} (number {last}) is not the one the witness saw")
            self.rows += 1
        self._check_end(pk, stream, last, mac, report)

    def _check_row(self, row: Row, last: int, previous: bytes | None, report: Callable[[str], None]) -> bytes:
        _, seq, stored, pk, recorded_at, *content = row
        stored = bytes(stored)
        if seq <= last:
            report(f"row {pk} (number {seq}) was added: that number is taken")
        elif seq > last + 1:
            # The MAC before the gap's end is gone: the row after it is not vouched for either.
            report(f"gap: numbers {last + 1} to {seq - 1} are missing before row {pk}")
        elif previous and not hmac.compare_digest(
            stored, row_mac(previous, row[0], seq, recorded_at, Content(*content))
        ):
            report(f"row {pk} (number {seq}) has been changed")
        return stored

    def _check_end(
        self, pk: int, stream: AuditStream | None, last: int, mac: bytes | None, report: Callable[[str], None]
    ) -> None:
        end = stream.seq if stream else last
        if last < end:
            report(f"cut: numbers {last + 1} to {end} are missing at the end")
        elif stream and (last > end or bytes(stream.mac) != mac):
            report(f"its end, number {end}, is not where its head says")
        if (seen := self.witness.get(pk)) and end < seen.seq:
            report(f"cut: the witness saw numbers up to {seen.seq}, now it ends with {end}")
        self.heads[pk] = Head(end, bytes(stream.mac).hex() if stream else "")

    def missing_streams(self) -> None:
        """Report streams that the witness saw and that have gone altogether."""
        for pk in sorted(self.witness.keys() - self.heads.keys()):
            self._report(f"stream {pk}: all {self.witness[pk].seq} rows are missing, and its head")

    def _report(self, finding: str) -> None:
        self.found += 1
        if self.found <= LISTED:
            self.findings.append(finding)


def is_signed(stream: AuditStream) -> bool:
    expected = head_mac(stream.pk, stream.seq, bytes(stream.mac), stream.kept_from, bytes(stream.kept_mac))
    return hmac.compare_digest(expected, bytes(stream.signature))
