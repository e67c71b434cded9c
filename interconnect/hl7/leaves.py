"""The smallest values of a message, each at its HL7 path, read and set without touching what is around them."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple, Self

from interconnect.hl7.charsets import UTF_8
from interconnect.hl7.er7 import HEADERS, declared_codec
from interconnect.hl7.escapes import NOT_IN_USE, encoding_of
from interconnect.hl7.rejected import MessageRejected

NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
NOTATION: Final = re.compile(
    rf"(?P<segment>{NAME.pattern})(?:\[(?P<number>[1-9]\d{{0,4}})\])?-(?P<field>[1-9]\d{{0,2}})"
    r"(?:\[(?P<repetition>[1-9]\d{0,3})\])?(?:\.(?P<component>[1-9]\d{0,2}))?(?:\.(?P<subcomponent>[1-9]\d{0,2}))?"
)


class Place(NamedTuple):
    """Where a value is, all counted from 1; written `PV1-3.1`, `OBX[2]-3.1` or in full `OBX[2]-3[2].1.2`."""

    segment: str
    number: int  # which of the segments of this name
    field: int
    repetition: int = 1
    component: int = 1
    subcomponent: int = 1

    @classmethod
    def read(cls, notation: str) -> Self:
        """Return the place written so; what is left out is 1. ValueError where it is none."""
        match = NOTATION.fullmatch(notation)
        if match is None:
            raise ValueError("A place is written like PV1-3.1 or OBX[2]-6")
        segment, *numbers = match.groups(default="1")
        return cls(segment, *map(int, numbers))

    def __str__(self) -> str:
        number = f"[{self.number}]" if self.number > 1 else ""
        repetition = f"[{self.repetition}]" if self.repetition > 1 else ""
        subcomponent = f".{self.subcomponent}" if self.subcomponent > 1 else ""
        return f"{self.segment}{number}-{self.field}{repetition}.{self.component}{subcomponent}"


class Leaves:
    """A message as text with one segment a line. Iterating gives the places that have a value, in their order."""

    def __init__(self, text: str) -> None:
        """Find the segments; MessageRejected where the delimiters cannot be made out."""
        if not text.startswith(HEADERS) or not text[3:4].strip():
            raise MessageRejected("not-hl7", "The message does not start with MSH", path="MSH", code="100")
        self._lines = text.split("\n")
        header = self._lines[0]
        codec = declared_codec(header.encode(errors="replace")) or UTF_8
        self._encoding = encoding_of(text[3], header[4:].split(text[3], 1)[0], codec)
        self._levels = (self._encoding.repetition, self._encoding.component, self._encoding.subcomponent)
        self._index: dict[tuple[str, int], int] = {}
        seen: Counter[str] = Counter()
        for index, line in enumerate(self._lines):
            name = line.partition(text[3])[0].upper()
            if NAME.fullmatch(name):
                seen[name] += 1
                self._index[name, seen[name]] = index

    @property
    def text(self) -> str:
        return "\n".join(self._lines)

    @property
    def segments(self) -> list[tuple[str, int]]:
        """Name and number of each segment, in order."""
        return list(self._index)

    def __iter__(self) -> Iterator[Place]:
        for name, number in self._index:
            for field, value in enumerate(self._fields(name, number)[1:], 1):
                if value and not (name in HEADERS and field <= 2):  # noqa: PLR2004  the delimiters themselves
                    yield from (Place(name, number, field, *rest) for rest in _numbers(value, self._levels))

    def get(self, place: Place) -> str:
        """Return the value decoded, "" where there is none."""
        fields = self._fields(place.segment, place.number)
        value = fields[place.field] if place.field < len(fields) else ""
        for separator, number in zip(self._levels, place[3:], strict=True):
            parts = _split(value, separator)
            value = parts[number - 1] if number <= len(parts) else ""
        return self._encoding.unescape(value)

    def set(self, place: Place, value: str) -> None:
        """Write the value there, escaped; ValueError where the message has no such segment or no way to write it."""
        fields = self._fields(place.segment, place.number)
        if not fields or (place.segment in HEADERS and place.field <= 2):  # noqa: PLR2004  the delimiters themselves
            raise ValueError(f"{place} cannot be set in this message")
        fields += [""] * (place.field + 1 - len(fields))
        levels = list(zip(self._levels, place[3:], strict=True))
        fields[place.field] = _replaced(fields[place.field], levels, self._encoding.escaped(value))
        if place.segment in HEADERS:
            del fields[1]
        self._lines[self._index[place.segment, place.number]] = self._encoding.field.join(fields)

    def _fields(self, name: str, number: int) -> list[str]:
        """Return a segment's fields by their HL7 numbers, none where there is no such segment."""
        if (index := self._index.get((name, number))) is None:
            return []
        fields = self._lines[index].split(self._encoding.field)
        if name in HEADERS:
            fields.insert(1, self._encoding.field)
        return fields


def _split(value: str, separator: str) -> list[str]:
    return [value] if separator == NOT_IN_USE else value.split(separator)


def _numbers(value: str, levels: tuple[str, ...]) -> Iterator[tuple[int, ...]]:
    """Yield where in this field there are values: repetition, component and subcomponent."""
    if not levels:
        yield ()
        return
    for number, part in enumerate(_split(value, levels[0]), 1):
        if part:
            yield from ((number, *rest) for rest in _numbers(part, levels[1:]))


def _replaced(text: str, levels: list[tuple[str, int]], value: str) -> str:
    if not levels:
        return value
    (separator, number), *inner = levels
    if separator == NOT_IN_USE and number > 1:
        raise ValueError("The message declares no delimiter for that (MSH-2)")
    parts = _split(text, separator)
    parts += [""] * (number - len(parts))
    parts[number - 1] = _replaced(parts[number - 1], inner, value)
    return parts[0] if len(parts) == 1 else separator.join(parts)
