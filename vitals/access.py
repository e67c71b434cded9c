"""Whose patients somebody may look at, and the record of what they saw.

Clinicians see the wards they work on; with break-glass access every ward, and then what they see is recorded with it.
What lies outside is not found, as if it did not exist.
"""

from collections.abc import Iterable
from typing import Any

from django.db import OperationalError
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.timezone import now

from audit.models import AuditEvent
from epicops.portal import PortalRequest, emergency
from vitals.board import Board, Row, read_board, read_rows
from vitals.last_boards import keep, last
from vitals.models import Bed, Unit
from vitals.polling import is_continued
from vitals.wards import BedQuerySet, UnitQuerySet


def units_of(request: PortalRequest) -> UnitQuerySet:
    """Return the wards that are open to this person now."""
    return Unit.objects.all() if emergency(request) else Unit.objects.visible_to(request.user)


def beds_of(request: PortalRequest) -> BedQuerySet:
    """Return the beds of these wards."""
    return Bed.objects.all() if emergency(request) else Bed.objects.visible_to(request.user)


def open_board(request: PortalRequest, unit_id: int, *, is_by_bed: bool) -> Board:
    """Return the ward, or 404 when it is not open to this person; record who is about to be seen.

    While PostgreSQL is away, the ward as this person was shown it last.
    """
    try:
        shown = _read_board(request, unit_id, is_by_bed=is_by_bed)
    except OperationalError:
        if (held := last(request, unit_id, is_by_bed=is_by_bed)) is None:
            raise
        return held
    keep(request, shown, is_by_bed=is_by_bed)
    return shown


def _read_board(request: PortalRequest, unit_id: int, *, is_by_bed: bool) -> Board:
    if not request.user.is_authenticated:  # the account was closed; the session alone does not know
        raise Http404
    unit = get_object_or_404(units_of(request), pk=unit_id)
    shown = read_board(unit, now(), is_by_bed=is_by_bed)
    if not is_continued(request, board_subject(request, shown)):
        record_view(request, "board.view", "unit", unit.pk, patients=shown.patient_ids)
    return shown


def open_bed(request: PortalRequest, key: str) -> Row:
    """Return the bed, or 404 when it is not on a ward open to this person; record who is about to be seen."""
    found = get_object_or_404(beds_of(request).select_related("unit"), key=key)
    (shown,) = read_rows([found], now())
    if not is_continued(request, bed_subject(request, shown)):
        record_bed(request, found.pk, patient_ids(shown))
    return shown


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


def bed_subject(request: HttpRequest, shown: Row) -> str:
    return f"bed {shown.bed.pk}: {patient_ids(shown)} {emergency(request)}"
