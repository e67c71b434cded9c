"""A session as a store holds it. Between stores only durations travel: their clocks are not one clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LONGEST_IDLE: Final = 1800  # seconds; settings only shorten it

# What `session:{id}` shows in clear beside the signed data. Set on the server only, and never merged.
CLEAR: Final = ("role", "department", "portal", "locked", "bg_until", "bg_ref")


@dataclass(frozen=True, slots=True)
class Held:
    """One live session.

    Times are milliseconds: `left` until it ends unless used, `deadline` until it ends anyway, `idle` what it may rest,
    `lock` what it may rest before it locks (0: never), `since` the last activity.
    """

    ver: int
    data: str
    left: int
    deadline: int
    idle: int
    lock: int
    since: int
    user_id: str = ""
    clear: Mapping[str, str] = field(default_factory=dict)


def in_clear(values: Iterable[bytes | None]) -> dict[str, str]:
    """Return what stands in clear by its name, from the values of CLEAR as Redis has them."""
    return {name: value.decode(errors="replace") for name, value in zip(CLEAR, values, strict=True) if value}


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be written: `base` is the version it was made from, `clear` the fields in clear that were changed.

    `absolute` (ms) counts for a new session only. One that does not `extend` is no activity: its end stays.
    """

    data: str
    user_id: str
    clear: Mapping[str, str]
    idle: int
    lock: int
    absolute: int
    base: int = 0
    extend: bool = True


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody else has written since: version and data as they are now."""

    ver: int
    data: str


def merge(base: Mapping[str, Any], mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Three-way merge by top-level key: what I changed or removed since `base` wins, all else is theirs."""
    merged = dict(theirs)
    for key in base.keys() | mine.keys():
        if key not in mine:
            merged.pop(key, None)
        elif key not in base or base[key] != mine[key]:
            merged[key] = mine[key]
    return merged
