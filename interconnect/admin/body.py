"""A message's bytes for people: fields by their HL7 names, the text, and a hex view. All of it bounded."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from interconnect import charsets
try:
    from interconnect.field_names import field_name
    from interconnect.inspector import inspect
except ImportError:
    field_name = lambda *a: ""
    inspect = lambda raw: []

INSPECTED_BYTES: Final = 64 * 1024
HEX_BYTES: Final = 4 * 1024
HEX_ROW: Final = 16

NOT_PRINTABLE: Final = re.compile("[^ -~]")
PATH: Final = re.compile(r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<number>\d+)\])?(?:-(?P<field>\d+))?")
# Control characters, and marks that reorder or hide text (Unicode TR36, section 2.10): shown by number instead.
UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field that has a value, or that should have had one."""

    path: str
    name: str
    text: str
    is_at_fault: bool


@dataclass(frozen=True, slots=True)
class Segment:
    name: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Body:
    """What a detail page shows; `hex` has (offset, bytes, characters) for each 16 bytes."""

    size: int
    segments: tuple[Segment, ...]
    text: str
    hex: tuple[tuple[str, str, str], ...]
    is_text: bool
    is_cut: bool


def body(raw: bytes, error_path: str = "") -> Body:
    """Return the views of `raw`, with the field that `error_path` (such as "OBX[2]-5") names marked as at fault."""
    head = raw[:INSPECTED_BYTES]
    text = charsets.decode(head, None, fallback="latin-1").text
    return Body(
        size=len(raw),
        segments=tuple(_segments(head, error_path)),
        text=shown(text.replace("\r\n", "\n").replace("\r", "\n")),
        hex=tuple(_hex(raw[:HEX_BYTES])),
        is_text=not UNSEEN.search(text),
        is_cut=len(raw) > INSPECTED_BYTES,
    )


def shown(text: str) -> str:
    """Return the text with every character that cannot be seen, or that moves others, written as its number."""
    return UNSEEN.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)


def _segments(raw: bytes, error_path: str) -> Iterator[Segment]:
    seen: Counter[str] = Counter()
    for name, fields in inspect(raw):
        seen[name] += 1
        fault = _fault(error_path, name, seen[name])
        rows = [Field(f"{name}-{number}", label, shown(text), number == fault) for number, label, text in fields]
        if fault and fault not in (number for number, _, _ in fields):
            rows.append(Field(f"{name}-{fault}", field_name(name, fault), "", is_at_fault=True))
        yield Segment(name, tuple(rows))


def _fault(error_path: str, name: str, number: int) -> int:
    """Return which field of the `number`th segment of this name is at fault, 0 when none is."""
    match = PATH.match(error_path)
    if match is None or match["segment"] != name or int(match["number"] or number) != number:
        return 0
    return int(match["field"] or 0)


def _hex(raw: bytes) -> Iterator[tuple[str, str, str]]:
    for offset in range(0, len(raw), HEX_ROW):
        row = raw[offset : offset + HEX_ROW]
        yield f"{offset:06x}", row.hex(" "), NOT_PRINTABLE.sub(".", row.decode("latin-1"))
