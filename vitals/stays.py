"""Where a visit has been. Derived from the set of its movements, so that arrival order cannot matter."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from vitals.models import Movement


class Moved(NamedTuple):
    """One movement of a visit."""

    occurred_at: datetime
    kind: str
    bed_id: int | None


class Span(NamedTuple):
    """A time in a bed; `to_at` is None while it lasts."""

    bed_id: int
    from_at: datetime
    to_at: datetime | None


# Of movements in the same minute: an arrival comes before a transfer, a discharge last.
RANK = {Movement.Kind.ADMIT: 0, Movement.Kind.TRANSFER: 1, Movement.Kind.DISCHARGE: 2}


def derive_stays(movements: Iterable[Moved]) -> list[Span]:
    """Return the stays of one visit in order of time.

    An admission or transfer opens a stay and ends the one before; to the same bed it changes nothing. A discharge
    ends the stay. A stay of no length is left out.
    """
    stays: list[Span] = []
    for moved in sorted(movements, key=_when):
        current = stays[-1] if stays and stays[-1].to_at is None else None
        arrives_in = None if moved.kind == Movement.Kind.DISCHARGE else moved.bed_id
        if current and current.bed_id == arrives_in:
            continue
        if current:
            stays[-1] = Span(current.bed_id, current.from_at, moved.occurred_at)
        if arrives_in is not None:
            stays.append(Span(arrives_in, moved.occurred_at, None))
    return [stay for stay in stays if stay.to_at != stay.from_at]


def _when(moved: Moved) -> tuple[datetime, int, int]:
    return moved.occurred_at, RANK[Movement.Kind(moved.kind)], moved.bed_id or 0
