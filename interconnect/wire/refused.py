"""Refused frames: what could not become a message, as rows that an operator can open."""

import threading
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from django.db import connection, models, transaction
from django.utils import timezone

from epicops.bulk import columns_of
from epicops.crypto import ring
from interconnect.feed.feeds import Feed
from interconnect.hl7 import er7

# In the order in which the worker locks feeds.
COUNT = """
INSERT INTO interconnect_feed AS f
    (application, facility, messages, duplicates, reused, refused, first_seen_at, last_seen_at)
SELECT application, facility, 0, 0, 0, number, now(), now()
FROM unnest(%s::text[], %s::text[], %s::int[]) AS c(application, facility, number) ORDER BY application, facility
ON CONFLICT (application, facility) DO UPDATE SET refused = f.refused + excluded.refused
"""

NAMELESS = ("", "")
ROWS_PER_MINUTE = 120  # of one peer; beyond it, frames refused for the same reason share a row
MAX_HEAD = 1024  # bytes
FAMILY = "refused"  # of sealed values


class RefusedFrame(models.Model):
    """Bytes that a sender delivered and that were not accepted, the reason, and the answer it got."""

    received_at = models.DateTimeField()
    peer = models.CharField(max_length=45, help_text="Network address")
    reason = models.CharField(max_length=100)
    code = models.CharField(max_length=2, blank=True, help_text="MSA-1 of the answer; empty: there was none")
    application = models.CharField(max_length=227, blank=True, help_text="MSH-3.1, where it can be read")
    facility = models.CharField(max_length=227, blank=True, help_text="MSH-4.1")
    size = models.BigIntegerField(help_text="Bytes, framing not counted")
    head = models.BinaryField(help_text="The first bytes, at most 1,024")  # sealed, as the inbox is
    answer = models.BinaryField(help_text="The acknowledgment that was sent")
    repeats = models.IntegerField(default=1, help_text="Frames like this one that share the row")

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=["application", "facility", "-id"], name="refused_by_sender"),)  # a feed's page

    def __str__(self) -> str:
        return f"Refused frame #{self.pk}"

    def beginning(self) -> bytes:
        """Return the first bytes, in clear; raise SealBroken when the key they are sealed under is gone."""
        return ring().open(bytes(self.head), FAMILY)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One frame that was refused; `answer` is None where its sender gets none."""

    reason: str
    size: int
    head: bytes
    answer: bytes | None = None


class RefusalLog:
    """Collects refused frames and writes them as rows. A flood of them becomes a few rows that count."""

    def __init__(self) -> None:
        self._pending: dict[tuple[object, ...], RefusedFrame] = {}
        self._lock = threading.Lock()
        self._rows: Counter[str] = Counter()  # by peer, in this minute
        self._minute = 0.0

    def add(self, refusal: Refusal, peer: str) -> None:
        head = refusal.head[:MAX_HEAD]
        with self._lock:
            key: tuple[object, ...] = (peer, refusal.reason, head)
            if self._rows_of(peer) >= ROWS_PER_MINUTE:
                key = (peer, refusal.reason)
            if (row := self._pending.get(key)) is not None:
                row.repeats += 1
                return
            self._rows[peer] += 1
            self._pending[key] = _row(refusal, head, peer)

    def flush(self) -> int:
        """Write what was collected and return how many frames that were; keep it when the database is away."""
        with self._lock:
            rows, self._pending = self._pending, {}
        try:
            with transaction.atomic():
                RefusedFrame.objects.bulk_create(rows.values())
                _count(rows.values())
        except BaseException:
            with self._lock:
                for row in rows.values():
                    row.pk = None  # a commit that was not heard of would refuse it for ever
                for key in rows.keys() & self._pending.keys():  # came again meanwhile
                    rows[key].repeats += self._pending.pop(key).repeats
                self._pending = {**rows, **self._pending}
            raise
        return sum(row.repeats for row in rows.values())

    def _rows_of(self, peer: str) -> int:
        if time.monotonic() - self._minute > 60:  # noqa: PLR2004  seconds
            self._rows.clear()
            self._minute = time.monotonic()
        return self._rows[peer]


def _count(rows: Collection[RefusedFrame]) -> None:
    """Add the frames to their senders' figures. What names no sender that ever delivered counts for none of them."""
    numbers: Counter[tuple[str, str]] = Counter()
    for row in rows:
        numbers[row.application, row.facility] += row.repeats
    known = set(
        Feed.objects.filter(application__in={name for name, _ in numbers}).values_list("application", "facility")
    )
    for sender in numbers.keys() - known - {NAMELESS}:
        numbers[NAMELESS] += numbers.pop(sender)
    columns = columns_of([(*sender, number) for sender, number in numbers.items()], 3)
    with connection.cursor() as cursor:
        cursor.execute(COUNT, columns)


def _row(refusal: Refusal, head: bytes, peer: str) -> RefusedFrame:
    header = er7.peek_header(head)
    answer = refusal.answer or b""
    return RefusedFrame(
        received_at=timezone.now(),
        peer=peer,
        reason=refusal.reason,
        code=answer.partition(b"\rMSA")[2][1:3].decode(errors="replace"),
        application=header.sending_application,
        facility=header.sending_facility,
        size=refusal.size,
        head=ring().seal(head, FAMILY),
        answer=answer,
    )
