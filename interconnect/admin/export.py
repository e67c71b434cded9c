"""Messages as files: what is known of them as CSV, with their bodies as JSON, the bodies alone as an HL7 batch."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from django.db.models import BinaryField, Q, QuerySet
from django.db.models.functions import Substr
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

from audit.admin import record
from interconnect.admin.patients import HEAD, masked, person_in
from interconnect.dlq.dead_letters import plain_body
from interconnect.exports import csv_lines, download
from interconnect.hl7.er7 import normalize
from interconnect.models import InboundMessage

SLICE: Final = 500  # messages a query
AT_ONCE: Final = 10  # bodies in memory; each may have 10 MiB

CSV_COLUMNS: Final = (
    "message",
    "delivered_at",
    "status",
    "type",
    "control_id",
    "sender",
    "facility",
    "patient",
    "letter",
    "state",
    "error",
    "where",
    "text",
)


def in_slices(ids: list[int], deferred: tuple[str, ...]) -> Iterator[InboundMessage]:
    """Yield the messages, oldest first, each with its `head`, without holding many of them."""
    rows = InboundMessage.objects.select_related("dead_letter").annotate(head=Substr("raw", 1, HEAD)).order_by("pk")
    for start in range(0, len(ids), SLICE):
        messages = rows.filter(pk__in=ids[start : start + SLICE]).defer(*deferred)
        yield from messages.iterator(chunk_size=AT_ONCE)


def as_csv(messages: Iterable[InboundMessage]) -> Iterator[str]:
    """Yield one line each, without bodies, the patient's identifier masked."""
    return csv_lines(CSV_COLUMNS, map(csv_row, messages))


def csv_row(message: Any) -> tuple[Any, ...]:
    letter = getattr(message, "dead_letter", None)
    about = (letter.pk, letter.state, letter.error_class, letter.error_path, letter.error_text) if letter else ("",) * 5
    return (
        message.pk,
        message.applied_at.isoformat(),
        message.status,
        message.message_type,
        message.control_id,
        message.sending_application,
        message.sending_facility,
        masked(person_in(bytes(message.head)).identifier),
        *about,
    )


def as_json(messages: Iterable[InboundMessage]) -> Iterator[str]:
    """Yield an array of objects, one a line; `raw` is text, or `raw_base64` where the bytes are not UTF-8."""
    yield "["
    for number, message in enumerate(messages):
        about = dict(zip(CSV_COLUMNS, csv_row(message), strict=True)) | plain_body(bytes(message.raw))
        yield f"{',' if number else ''}\n{json.dumps(about)}"
    yield "\n]\n"


def as_batch(messages: Iterable[InboundMessage]) -> Iterator[bytes]:
    """Yield a batch file of HL7 v2 (chapter 2, 2.10.3): FHS, BHS, the messages as they were sent, BTS, FTS."""
    now = f"{timezone.now():%Y%m%d%H%M%S}+0000"
    yield f"FHS|^~\\&|epicops||||{now}\rBHS|^~\\&|epicops||||{now}\r".encode()
    number = 0
    for number, message in enumerate(messages, 1):  # noqa: B007  the last number is the count
        yield normalize(bytes(message.raw)).rstrip(b"\r") + b"\r"
    yield f"BTS|{number}\rFTS|1\r".encode()


class Format(NamedTuple):
    """How messages are written, as which kind of file, and which of them can be."""

    write: Callable[[Iterable[InboundMessage]], Iterator[str] | Iterator[bytes]]
    suffix: str
    content_type: str
    only: Q = Q()
    deferred: tuple[str, ...] = ()


FORMATS: Final = {
    "csv": Format(as_csv, "csv", "text/csv; charset=utf-8", deferred=("raw",)),
    "json": Format(as_json, "json", "application/json"),
    "hl7": Format(as_batch, "hl7", "application/hl7-v2", Q(begins=b"MSH")),
}


def export(request: HttpRequest, messages: QuerySet[InboundMessage], name: str) -> StreamingHttpResponse:
    """Return these messages as a file, the oldest first; who exported how many in which form is audited before."""
    form = FORMATS[name]
    chosen = messages.order_by("pk").alias(begins=Substr("raw", 1, 3, output_field=BinaryField())).filter(form.only)
    ids = list(chosen.values_list("pk", flat=True))
    detail = {"count": len(ids), "first": ids[0] if ids else None, "last": ids[-1] if ids else None}
    record(request, "R", f"message.export-{name}", "inboundmessage", detail=detail)
    file_name = f"messages-{timezone.now():%Y%m%d-%H%M%S}.{form.suffix}"
    return download(form.write(in_slices(ids, form.deferred)), file_name, form.content_type)
