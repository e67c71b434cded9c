"""A message's bytes for people: fields by their HL7 names, the text, and a hex view. All of it bounded."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from interconnect.finding.inspector import VISIBLE, FieldRow, SegmentRow, inspect
from interconnect.hl7.charsets import UTF_8
from interconnect.hl7.er7 import declared_codec, normalize
from interconnect.hl7.field_names import field_name

TEXT_BYTES: Final = 256 * 1024
HEX_BYTES: Final = 4 * 1024
HEX_ROW: Final = 16

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"  # stands for bytes that are no character
NOT_PRINTABLE: Final = re.compile("[^ -~]")
PATH: Final = re.compile(r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<number>\d+)\])?-(?P<field>\d+)")


@dataclass(frozen=True, slots=True)
class Field:
    """One field that has a value, or that should have had one; `path` is empty for a remark."""

    path: str
    name: str
    text: str
    is_at_fault: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    name: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Body:
    """What a detail page shows. `segments` is empty where there are none; `hex` has (offset, bytes, characters)."""

    size: int
    segments: tuple[Segment, ...]
    text: str
    hex: tuple[tuple[str, str, str], ...]
    is_text: bool
    is_cut: bool


def body(raw: bytes, error_path: str = "", size: int | None = None) -> Body:
    """Return the views of `raw`, with the field that `error_path` (such as "OBX[2]-5") names marked as at fault.

    `size` is that of the message where `raw` is only its beginning.
    """
    head = normalize(raw[:TEXT_BYTES])
    sent = head.decode(declared_codec(head) or UTF_8, errors="replace").split("\r")
    shown = [line.translate(VISIBLE) for line in sent]
    return Body(
        size=size or len(raw),
        segments=tuple(_segments(inspect(raw[:TEXT_BYTES]), error_path)),
        text="\n".join(shown),
        hex=tuple(_hex(raw[:HEX_BYTES])),
        is_text=shown == sent and not any(REPLACEMENT in line for line in sent),
        is_cut=len(raw) > TEXT_BYTES,
    )


def _segments(rows: list[SegmentRow], error_path: str) -> Iterator[Segment]:
    seen: Counter[str] = Counter()
    for name, fields in rows:
        seen[name] += 1
        yield Segment(name, tuple(_fields(name, fields, _fault(error_path, name, seen[name]))))


def _fields(name: str, rows: list[FieldRow], fault: int | None) -> Iterator[Field]:
    """Yield the fields, and at its place the one at fault even where it is empty."""
    if fault is not None and fault not in (row.position for row in rows):
        rows = sorted([*rows, FieldRow(fault, field_name(name, fault), "")])
    for position, label, text in rows:
        yield Field(f"{name}-{position}" if position else "", label, text, is_at_fault=position == fault)


def _fault(error_path: str, name: str, number: int) -> int | None:
    """Return which field of the `number`th segment of this name is at fault, None when none is."""
    match = PATH.match(error_path)
    if match is None or match["segment"] != name or int(match["number"] or number) != number:
        return None
    return int(match["field"])


def _hex(raw: bytes) -> Iterator[tuple[str, str, str]]:
    for offset in range(0, len(raw), HEX_ROW):
        row = raw[offset : offset + HEX_ROW]
        yield f"{offset:06x}", row.hex(" "), NOT_PRINTABLE.sub(".", row.decode("latin-1"))
