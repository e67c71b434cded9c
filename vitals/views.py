"""Clinicians' pages. Each looks a unit or bed up in its reader's own scope; anything else is not found.

A page and its polls are one view of the same patients: recorded when it opens, and again when other patients appear.
"""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404, render
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from audit.models import AuditEvent
from epicops.passive import passive
from epicops.portal import HYPERSPACE, PortalRequest, portal_required
from vitals.board import Board, Row, read_board, read_rows
from vitals.documents import SHOWN
from vitals.models import Bed, Movement, Unit
from vitals.polling import entity_tag, held_tag, is_continued
from vitals.trend import read_history

MOVEMENTS_SHOWN = 10


@portal_required(HYPERSPACE)
@require_safe
def units(request: PortalRequest) -> HttpResponse:
    """Show the wards this person works on."""
    visible = Unit.objects.visible_to(request.user).with_occupancy()
    return render(request, "hyperspace/units.html", {"units": visible})


@portal_required(HYPERSPACE)
@require_safe
def board(request: PortalRequest, unit_id: int) -> HttpResponse:
    """Show a ward's beds with their patients' latest vitals."""
    shown = open_board(request, unit_id)
    return render(request, "hyperspace/board.html", board_context(request, shown))


@passive
@portal_required(HYPERSPACE)
@require_safe
def board_unattended(request: PortalRequest, unit_id: int) -> HttpResponse:
    """Show the board as browsers without JavaScript reload it by themselves."""
    shown = open_board(request, unit_id)
    return render(request, "hyperspace/board.html", board_context(request, shown))


@portal_required(HYPERSPACE)
@require_safe
def handover(request: PortalRequest, unit_id: int) -> HttpResponse:
    """Show the ward's patients as a sheet to print: who printed it, and how old each reading was."""
    shown = open_board(request, unit_id)
    record_board(request, "board.print", shown)
    return render(request, "hyperspace/handover.html", board_context(request, shown))


@passive
@portal_required(HYPERSPACE)
@require_safe
def board_cells(request: PortalRequest, unit_id: int) -> HttpResponse:
    """Answer with what changes on a board; 304 while nothing has."""
    context = board_context(request, open_board(request, unit_id))
    return answer_poll(request, "hyperspace/_board.html", context)


@portal_required(HYPERSPACE)
@require_safe
def bed(request: PortalRequest, key: str) -> HttpResponse:
    """Show one bed: its patient, the latest vitals, their course, and how the patient came here."""
    shown = open_bed(request, key)
    return render(request, "hyperspace/bed.html", bed_context(request, shown) | history_context(shown))


@passive
@portal_required(HYPERSPACE)
@require_safe
def bed_unattended(request: PortalRequest, key: str) -> HttpResponse:
    """Show the bed page as browsers without JavaScript reload it by themselves."""
    shown = open_bed(request, key)
    return render(request, "hyperspace/bed.html", bed_context(request, shown) | history_context(shown))


@passive
@portal_required(HYPERSPACE)
@require_safe
def bed_cells(request: PortalRequest, key: str) -> HttpResponse:
    """Answer with what changes on a bed's page; 304, without reading the history, while patient and vitals stay."""
    shown = open_bed(request, key)
    context = bed_context(request, shown)
    if held_tag(request) != context["etag"]:
        context |= history_context(shown)
    return answer_poll(request, "hyperspace/_bed.html", context)


def open_board(request: PortalRequest, unit_id: int) -> Board:
    """Return the ward, or 404 when it is not this person's; record who is about to be seen."""
    unit = get_object_or_404(Unit.objects.visible_to(request.user), pk=unit_id)
    shown = read_board(unit, now(), is_by_bed=is_by_bed(request))
    if not is_continued(request, board_subject(shown)):
        record_board(request, "board.view", shown)
    return shown


def record_board(request: PortalRequest, code: str, shown: Board) -> None:
    AuditEvent.objects.record(
        "R",
        code,
        actor=request.user,
        request=request,
        object_type="unit",
        object_id=shown.unit.pk,
        detail={"patients": shown.patient_ids},
    )


def open_bed(request: PortalRequest, key: str) -> Row:
    """Return the bed, or 404 when it is not on a ward of this person; record who is about to be seen."""
    found = get_object_or_404(Bed.objects.visible_to(request.user).select_related("unit"), key=key)
    (shown,) = read_rows([found], now())
    if not is_continued(request, bed_subject(shown)):
        for patient_id in patient_ids(shown) or [None]:
            AuditEvent.objects.record(
                "R",
                "bed.view",
                actor=request.user,
                request=request,
                patient_id=patient_id,
                object_type="bed",
                object_id=found.pk,
            )
    return shown


def is_by_bed(request: HttpRequest) -> bool:
    """Whether the reader wants the beds in order of their numbers; by urgency otherwise."""
    return request.GET.get("by") == "bed"


def patient_ids(row: Row) -> list[int | None]:
    return [occupant.patient_id for occupant in row.occupants]


def board_subject(shown: Board) -> str:
    return f"unit {shown.unit.pk}: {shown.patient_ids}"


def bed_subject(shown: Row) -> str:
    return f"bed {shown.bed.pk}: {patient_ids(shown)}"


def board_context(request: HttpRequest, shown: Board) -> dict[str, Any]:
    etag = entity_tag(request, board_subject(shown), (shown.rows, shown.counts))
    return {
        "board": shown,
        "columns": SHOWN,
        "etag": etag,
        "now": shown.at,
        "order": "?by=bed" if is_by_bed(request) else "",
    }


def bed_context(request: HttpRequest, shown: Row) -> dict[str, Any]:
    return {"row": shown, "columns": SHOWN, "etag": entity_tag(request, bed_subject(shown), shown), "now": now()}


def history_context(shown: Row) -> dict[str, Any]:
    if shown.occupant is None:
        return {}
    movements = Movement.objects.filter(visit=shown.occupant.visit_id).select_related("bed")
    return {
        "history": read_history(shown.occupant.patient_id, now()),
        "movements": movements.order_by("-occurred_at", "-pk")[:MOVEMENTS_SHOWN],
    }


def answer_poll(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    is_same = held_tag(request) == context["etag"]
    response = HttpResponseNotModified() if is_same else render(request, template, dict(context))
    response["ETag"] = context["etag"]
    return response
