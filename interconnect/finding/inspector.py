"""A message cut into named fields, for people to look at."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from interconnect.hl7.charsets import decode
from interconnect.hl7.er7 import HEADERS, declared_codec, normalize
from interconnect.hl7.escapes import is_delimiter
from interconnect.hl7.field_names import field_name

# What one page may become, whatever was sent.
MAX_FIELDS: Final = 2000
MAX_CHARACTERS: Final = 4000  # of one field; an embedded document is longer

# Control characters get their pictures; marks that reorder or hide text get their numbers.
VISIBLE: Final = {code: chr(0x2400 + code) for code in range(0x20)} | {
    code: f"[U+{code:04X}]"
    for code in (
        *range(0x7F, 0xA0),
        0x61C,
        0x200B,
        0x200E,
        0x200F,
        *range(0x2028, 0x202F),
        *range(0x2066, 0x206A),
        0xFEFF,
    )
}


class FieldRow(NamedTuple):
    position: int  # as in PID-3; 0 in remarks
    name: str
    text: str  # as sent: not split, escapes not decoded


class SegmentRow(NamedTuple):
    name: str
    fields: list[FieldRow]


def inspect(raw: bytes) -> list[SegmentRow]:
    """Return the segments with the fields that are not empty, none of bytes that are no message. Never raises.

    Bytes in no known character set are shown as Latin-1. What is too long for a page is cut, and a remark says so.
    """
    body = normalize(raw)
    text, _, _ = decode(body, declared_codec(body), fallback="latin-1")
    separator = text[3:4]
    if not text.startswith(HEADERS) or not is_delimiter(separator):
        return []
    return list(_segments([line for line in text.split("\r") if line], separator))


def _segments(lines: list[str], separator: str) -> Iterator[SegmentRow]:
    room = MAX_FIELDS
    for number, line in enumerate(lines):
        if room <= 0:
            yield SegmentRow("…", [FieldRow(0, "", f"{len(lines) - number:,} more segments")])
            return
        name, *texts = line.split(separator)
        if name in HEADERS:
            texts.insert(0, separator)
        filled = [(position, text) for position, text in enumerate(texts, 1) if text]
        fields = [
            FieldRow(position, field_name(name.upper(), position), _shown(text)) for position, text in filled[:room]
        ]
        if len(filled) > room:
            fields.append(FieldRow(0, "", f"{len(filled) - room:,} more fields"))
        room -= max(len(filled), 1)
        yield SegmentRow(_shown(name), fields)


def _shown(text: str) -> str:
    cut = text[:MAX_CHARACTERS].translate(VISIBLE)
    return cut if len(text) <= MAX_CHARACTERS else f"{cut}… ({len(text) - MAX_CHARACTERS:,} more characters)"
