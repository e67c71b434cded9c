"""Opening wards and beds, and the record of who saw whom.

Clinicians see the wards they work on; with break-glass access every ward, and then what they see is recorded with it.
What lies outside is not found, as if it did not exist. Pages read PostgreSQL; polls go by what this process read at
most `house.RECHECKED` ago. While PostgreSQL is away both go on with what was read last, marked as such, for
EPICOPS_BOARD_HELD seconds; then, and where nothing was read, OperationalError says so.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from django.db import OperationalError
from django.http import Http404, HttpRequest
from django.utils.timezone import now

from audit.models import AuditEvent
from epicops.portal import PortalRequest, emergency
from vitals.board import Board, held_board, read_board
from vitals.grants import Grant, held_grant, kept_grant, read_grant
from vitals.house import House, held_house, house, read_ward
from vitals.models import Bed
from vitals.occupants import read_occupants
from vitals.polling import is_continued
from vitals.rows import Row, held_rows, read_rows

logger = logging.getLogger(__name__)
T = TypeVar("T")


class OpenBed(NamedTuple):
    """A bed's row; `held_at` is when an old one was read."""

    row: Row
    held_at: datetime | None = None


def open_board(request: PortalRequest, unit_id: int, *, is_by_bed: bool, is_poll: bool = False) -> Board:
    """Return the ward, or 404 when it is not open to this person; record who is about to be seen."""

    def read() -> Board:
        unit = _grant(request, is_poll=is_poll).units.get(unit_id)
        if unit is None:
            raise Http404
        known = house().wards.get(unit_id) if is_poll else None
        shown = read_board(known or read_ward(unit), now(), is_by_bed=is_by_bed)
        if not is_continued(request, board_subject(request, shown)):
            record_view(request, "board.view", "unit", unit_id, patients=shown.patient_ids)
        return shown

    def held(grant: Grant, last: House) -> Board:
        if unit_id not in grant.units or unit_id not in last.wards:
            raise Http404
        shown = held_board(last.wards[unit_id], now(), is_by_bed=is_by_bed)
        _log_view(grant, shown.patient_ids)
        return shown

    return _or_held(request, read, held)


def open_bed(request: PortalRequest, key: str, *, is_poll: bool = False) -> OpenBed:
    """Return the bed, or 404 when it is not on a ward open to this person; record who is about to be seen."""

    def read() -> OpenBed:
        grant = _grant(request, is_poll=is_poll)
        known = house() if is_poll else None
        bed = (known.beds.get(key) if known else None) or Bed.objects.filter(key=key).first()
        if bed is None or bed.unit_id not in grant.units:
            raise Http404
        bed.unit = grant.units[bed.unit_id]
        (row,) = read_rows([bed], known.occupants if known else read_occupants([bed]), now())
        if not is_continued(request, bed_subject(request, row)):
            record_bed(request, bed.pk, patient_ids(row))
        return OpenBed(row)

    def held(grant: Grant, last: House) -> OpenBed:
        bed = last.beds.get(key)
        if bed is None or bed.unit_id not in grant.units:
            raise Http404
        (row,) = held_rows([bed], last.occupants, now())
        _log_view(grant, patient_ids(row))
        return OpenBed(row, last.wards[bed.unit_id].at)

    return _or_held(request, read, held)


def _grant(request: PortalRequest, *, is_poll: bool) -> Grant:
    return kept_grant(request) if is_poll else read_grant(request)


def _or_held(request: PortalRequest, read: Callable[[], T], held: Callable[[Grant, House], T]) -> T:
    """Read from PostgreSQL; while it is away, return what is `held` of what this session was granted and read last."""
    try:
        return read()
    except OperationalError:
        grant, last = held_grant(request), held_house()
        if grant is None or last is None:
            raise
    request.user = grant.user
    return held(grant, last)


def _log_view(grant: Grant, patients: Iterable[int]) -> None:
    """Say in the log who sees whom, by internal ids: no audit event can be written."""
    extra = {"user_id": grant.user.pk, "patient_ids": list(patients)}
    logger.warning("patients shown without postgresql", extra=extra)


def record_bed(request: PortalRequest, bed_id: int, patients: Iterable[int]) -> None:
    """Record that a bed is about to be seen, under each patient who is in it."""
    seen: list[int | None] = list(patients)
    for patient_id in seen or [None]:
        record_view(request, "bed.view", "bed", bed_id, patient_id=patient_id)


def record_view(
    request: PortalRequest, code: str, kind: str, pk: int, *, patient_id: int | None = None, **detail: Any
) -> None:
    if reference := emergency(request):
        detail["break_glass"] = reference
    AuditEvent.objects.record(
        "R",
        code,
        actor=request.user,
        request=request,
        patient_id=patient_id,
        object_type=kind,
        object_id=pk,
        detail=detail,
    )


def patient_ids(row: Row) -> list[int]:
    return [occupant.patient_id for occupant in row.occupants]


def board_subject(request: HttpRequest, shown: Board) -> str:
    """Say what one view of a board is about: the same ward with the same patients, in or out of an emergency."""
    return f"unit {shown.unit.pk}: {shown.patient_ids} {emergency(request)}"


def bed_subject(request: HttpRequest, row: Row) -> str:
    return f"bed {row.bed.pk}: {patient_ids(row)} {emergency(request)}"
