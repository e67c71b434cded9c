"""Two texts of one message side by side, aligned by segment and field."""

from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from itertools import takewhile, zip_longest
from typing import Final, NamedTuple

from interconnect.dlq.revisions import as_text
from interconnect.finding.inspector import VISIBLE
from interconnect.hl7.er7 import HEADERS
from interconnect.hl7.field_names import field_name

MAX_PAIRS: Final = 50_000


class Change(NamedTuple):
    """One field before and after, printable; of a segment that was added or removed every field that is not empty."""

    segment: str  # such as "OBX[3]", or "OBX[3], added"
    path: str
    name: str
    before: str
    after: str


class Line(NamedTuple):
    """A segment, and which of its name it is."""

    text: str
    number: int

    @property
    def name(self) -> str:
        return self.text[:3]

    @property
    def label(self) -> str:
        return f"{self.name.translate(VISIBLE)}[{self.number}]"


Pair = tuple[Line | None, Line | None]


def changes(before: bytes, after: bytes, alone: tuple[str, str] = ("removed", "added")) -> list[Change]:
    """Return the fields that differ, in the order of the message; `alone` is said of segments only one of them has."""
    old, new = as_text(before), as_text(after)
    separator = new[3:4].strip("\n") or "|"
    return [change for pair in _aligned(_lines(old), _lines(new)) for change in _fields(*pair, separator, alone)]


def is_about_identity(edit: Iterable[Change]) -> bool:
    """Say whether an edit changes who the message is about."""
    return any(change.path.startswith(("PID", "MRG")) for change in edit)


def _lines(text: str) -> list[Line]:
    seen = Counter[str]()
    lines = []
    for line in text.split("\n"):
        seen[line[:3]] += 1
        lines.append(Line(line, seen[line[:3]]))
    return lines


def _aligned(old: list[Line], new: list[Line]) -> Iterator[Pair]:
    """Yield the segments that differ: between equal ones those of the same name in their order, the others alone."""
    for is_equal, some, others in _blocks(old, new, [line.text for line in old], [line.text for line in new]):
        if is_equal:
            continue
        names = [line.name for line in some], [line.name for line in others]
        for is_same_kind, left, right in _blocks(some, others, *names):
            if is_same_kind:
                yield from zip(left, right, strict=True)
            else:
                yield from ((line, None) for line in left)
                yield from ((None, line) for line in right)


def _blocks(
    old: list[Line], new: list[Line], old_keys: list[str], new_keys: list[str]
) -> Iterator[tuple[bool, list[Line], list[Line]]]:
    """Yield what is equal and what is not, in order; without a closer look where too much between is alike."""
    start = _common(zip(old_keys, new_keys, strict=False))
    rest = zip(reversed(old_keys[start:]), reversed(new_keys[start:]), strict=False)
    i_end, j_end = len(old) - (end := _common(rest)), len(new) - end
    yield True, old[:start], new[:start]
    some, others = old_keys[start:i_end], new_keys[start:j_end]
    if _pairs(some, others) > MAX_PAIRS:
        yield False, old[start:i_end], new[start:j_end]
    else:
        for kind, *places in SequenceMatcher(a=some, b=others, autojunk=False).get_opcodes():
            i, i_last, j, j_last = (start + place for place in places)
            yield kind == "equal", old[i:i_last], new[j:j_last]
    yield True, old[i_end:], new[j_end:]


def _common(pairs: Iterable[tuple[str, str]]) -> int:
    """Return how many of these begin with equal ones."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _pairs(some: list[str], others: list[str]) -> int:
    """Return how many pairs could be made of equal ones: so long takes one step of aligning them."""
    counted = Counter(others)
    return sum(number * counted[key] for key, number in Counter(some).items())


def _fields(was: Line | None, becomes: Line | None, separator: str, alone: tuple[str, str]) -> Iterator[Change]:
    line = becomes or was
    if line is None:
        return
    segment = line.label if was and becomes else f"{line.label}, {alone[bool(becomes)]}"
    shift = int(line.name in HEADERS)  # their field 1 is the separator itself
    old, new = (one.text.split(separator) if one else [] for one in (was, becomes))
    for position, (before, after) in enumerate(zip_longest(old, new, fillvalue="")):
        if before != after:
            place, name = f"-{position + shift}", field_name(line.name, position + shift)
            if position == 0:
                place, name = "", "segment"
            yield Change(segment, line.label + place, name, before.translate(VISIBLE), after.translate(VISIBLE))
