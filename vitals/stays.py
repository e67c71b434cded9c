"""Where a visit has been. Derived from the set of its movements, so that arrival order cannot matter.

The rules for each event are in docs/hl7-interface.md, "events".
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from vitals.models import Movement

Kind = Movement.Kind


class Moved(NamedTuple):
    """One movement of a visit; `recorded_at` is None where it is `occurred_at`."""

    occurred_at: datetime
    kind: str
    bed_id: int | None
    prior_bed_id: int | None = None
    recorded_at: datetime | None = None
    message_id: int = 0

    @property
    def stated_at(self) -> datetime:
        return self.recorded_at or self.occurred_at

    @property
    def effective_at(self) -> datetime:
        """When it changes where the patient is: a cancel from when it was recorded, whatever it is about."""
        return max(self.stated_at, self.occurred_at) if self.kind in REOPENING else self.occurred_at


class Span(NamedTuple):
    """A time in a bed; `to_at` is None while it lasts."""

    bed_id: int
    from_at: datetime
    to_at: datetime | None
    message_id: int = 0
    is_inferred: bool = False
    is_disputed: bool = False


ARRIVING: Final = (Kind.ADMIT, Kind.TRANSFER)
REOPENING: Final = (Kind.CANCEL_TRANSFER, Kind.CANCEL_DISCHARGE)
# Of movements in the same minute: an arrival comes before a transfer, a discharge last.
RANK: Final[dict[str, int]] = {
    Kind.ADMIT: 0,
    Kind.TRANSFER: 1,
    Kind.CANCEL_TRANSFER: 2,
    Kind.CANCEL_DISCHARGE: 3,
    Kind.DISCHARGE: 4,
}


def derive_stays(movements: Iterable[Moved]) -> list[Span]:
    """Return the stays of one visit in order of time.

    An admission or transfer opens a stay and ends the one before; to the same bed it changes nothing. A discharge
    ends the stay. What a cancel names counts for nothing, whichever came first. A stay of no length is left out.
    """
    stays: list[Span] = []
    is_over = False
    for moved in sorted(_standing(list(movements)), key=_when):
        current = stays[-1] if stays and stays[-1].to_at is None else None
        if moved.kind == Kind.DISCHARGE:
            is_over = True
        elif moved.bed_id is None or (moved.kind in REOPENING and is_over):
            continue  # it says nothing of a bed, or takes back something before the end of the visit
        else:
            is_over = False
            if current and current.bed_id == moved.bed_id:
                continue
        if current:
            stays[-1] = current._replace(to_at=moved.effective_at)
        if not is_over:
            stays.append(_opened(moved, current, is_first=not stays))
    return [stay for stay in stays if stay.to_at != stay.from_at]


def _opened(moved: Moved, before: Span | None, *, is_first: bool) -> Span:
    assert moved.bed_id is not None  # noqa: S101  the caller has looked
    is_inferred = moved.kind in REOPENING or (moved.kind == Kind.TRANSFER and is_first)
    is_disputed = bool(before and moved.kind == Kind.TRANSFER and moved.prior_bed_id not in (None, before.bed_id))
    return Span(moved.bed_id, moved.effective_at, None, moved.message_id, is_inferred, is_disputed)


def _standing(movements: Sequence[Moved]) -> list[Moved]:
    """Return what is left of the movements that concern beds when every cancel has taken its own away."""
    standing = [moved for moved in movements if moved.kind in RANK]
    cancels = sorted((moved for moved in movements if moved.kind in CANCELS), key=_in_turn)
    if not cancels:
        return standing
    standing.sort(key=_when)
    for kind, cancelled_by in CANCELS.items():
        for cancel in cancels:
            if cancel.kind == kind:
                gone = cancelled_by(cancel, standing)
                standing = [moved for moved in standing if moved not in gone]
    return standing


def _discharge_of(cancel: Moved, standing: Sequence[Moved]) -> list[Moved]:
    """A13: every discharge up to then since the patient last arrived anew: two A03 of one discharge are one."""
    start = _latest(standing, Kind.ADMIT, cancel.occurred_at)
    return [
        moved
        for moved in standing
        if moved.kind == Kind.DISCHARGE
        and moved.occurred_at <= cancel.occurred_at
        and (start is None or _when(moved) > _when(start))
    ]


def _transfer_of(cancel: Moved, standing: Sequence[Moved]) -> list[Moved]:
    """A12: the latest transfer up to then, unless that is to where the patient is again (PV1-3) or not from PV1-6.

    Then what it cancels has not come yet, or was cancelled before, and the cancel waits.
    """
    target = _latest(standing, Kind.TRANSFER, cancel.occurred_at)
    if target is None or target.bed_id == cancel.bed_id or cancel.prior_bed_id not in (None, target.bed_id):
        return []
    return [target]


def _admission_of(cancel: Moved, standing: Sequence[Moved]) -> list[Moved]:
    """A11: everything since the discharge before that admission, up to when the cancel was recorded.

    Nothing when the patient had been discharged by then: the admission it cancels is another one.
    """
    admission = _latest(standing, Kind.ADMIT, cancel.occurred_at)
    discharge = _latest(standing, Kind.DISCHARGE, cancel.occurred_at)
    if admission and discharge and _when(discharge) > _when(admission):
        return []
    until = max(cancel.stated_at, cancel.occurred_at)
    return [
        moved
        for moved in standing
        if moved.effective_at <= until and (discharge is None or _when(moved) > _when(discharge))
    ]


def _all_of(cancel: Moved, standing: Sequence[Moved]) -> list[Moved]:
    """A23: whatever was said of the visit up to then."""
    until = max(cancel.stated_at, cancel.occurred_at)
    return [moved for moved in standing if moved.effective_at <= until]


# In this order: a discharge that was taken back no longer separates one admission from the next.
CANCELS: Final = {
    Kind.CANCEL_DISCHARGE: _discharge_of,
    Kind.CANCEL_TRANSFER: _transfer_of,
    Kind.CANCEL_ADMIT: _admission_of,
    Kind.DELETE: _all_of,
}


def _latest(standing: Sequence[Moved], kind: str, until: datetime) -> Moved | None:
    found = [moved for moved in standing if moved.kind == kind and moved.occurred_at <= until]
    return found[-1] if found else None


def _when(moved: Moved) -> tuple[datetime, int, datetime, int]:
    return moved.effective_at, RANK[moved.kind], moved.stated_at, moved.bed_id or 0


def _in_turn(cancel: Moved) -> tuple[datetime, datetime, int, int]:
    return cancel.occurred_at, cancel.stated_at, cancel.bed_id or 0, cancel.prior_bed_id or 0
