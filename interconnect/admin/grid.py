"""The editor's fields by name: one cell a value, what was typed into the cells laid over the message's text."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from interconnect.finding.inspector import VISIBLE
from interconnect.hl7.field_names import field_name
from interconnect.hl7.leaves import Leaves, Place
from interconnect.hl7.rejected import MessageRejected

MAX_CELLS: Final = 600  # Django refuses forms of 1,000 values
MAX_CELL: Final = 500  # characters
PREFIX: Final = "cell "
NEW_PATH, NEW_VALUE = "new-path", "new-value"


class Cell(NamedTuple):
    """One value. `input` is its name in the form, empty where it must be edited as text."""

    path: str
    name: str
    value: str
    input: str
    is_at_fault: bool


class Section(NamedTuple):
    """One segment; `name` has its number from the second on, as in OBX[2]."""

    name: str
    cells: list[Cell]


def grid(text: str, error_path: str, posted: Mapping[str, str]) -> list[Section]:
    """Return the message's values, as posted where they were, and the one at fault also where it is empty.

    Nothing is returned for a message that cannot be cut into values, or into too many for a page.
    """
    try:
        leaves = Leaves(text)
        values = {place: leaves.get(place) for place in leaves}
    except MessageRejected:
        return []
    if len(values) >= MAX_CELLS:
        return []
    fault = _fault(error_path, values)
    if fault and (fault.segment, fault.number) in leaves.segments:
        values.setdefault(fault, "")
    sections = {key: Section(_numbered(*key), []) for key in leaves.segments}
    for place in sorted(values, key=lambda place: place[2:]):
        cell = _cell(place, values[place], is_at_fault=place == fault)
        sections[place[:2]].cells.append(cell._replace(value=posted.get(cell.input, cell.value)))
    return list(sections.values())


def overlaid(text: str, posted: Mapping[str, str]) -> str:
    """Return the text with the cells that were changed, and with the new value; ValueError where one cannot be set."""
    cells = dict(_changed(text, posted))
    if not cells:
        return text
    leaves = Leaves(text)
    for place, value in cells.items():
        if not set("\r\n\0").isdisjoint(value):
            raise ValueError(f"{place} has more than one line: edit it as text")
        leaves.set(place, value)
    return leaves.text


def _changed(text: str, posted: Mapping[str, str]) -> Iterator[tuple[Place, str]]:
    try:
        leaves = Leaves(text)
    except MessageRejected:
        return
    for name, value in posted.items():
        if name.startswith(PREFIX):
            place = Place.read(name.removeprefix(PREFIX))
            if value != leaves.get(place):
                yield place, value
    if posted.get(NEW_PATH):
        yield Place.read(posted[NEW_PATH].strip()), posted.get(NEW_VALUE, "")


def _cell(place: Place, value: str, *, is_at_fault: bool) -> Cell:
    name = field_name(place.segment, place.field)
    shown = value.translate(VISIBLE)
    is_editable = shown == value and len(value) <= MAX_CELL
    return Cell(str(place), name, shown[:MAX_CELL], f"{PREFIX}{place}" if is_editable else "", is_at_fault)


def _fault(error_path: str, values: Mapping[Place, str]) -> Place | None:
    """Return the value that the error names, of a field that is not empty its first one."""
    try:
        fault = Place.read(error_path)
    except ValueError:
        return None
    return fault if fault in values else next((place for place in values if place[:3] == fault[:3]), fault)


def _numbered(name: str, number: int) -> str:
    return f"{name}[{number}]" if number > 1 else name
