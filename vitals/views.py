"""Clinicians' pages. Each looks a unit or bed up in its reader's own scope; anything else is not found.

A page and its polls are one view of the same patients: recorded when it opens, and again when other patients appear.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from epicops.passive import passive
from epicops.portal import HYPERSPACE, PortalRequest, portal_required
from vitals.access import OpenBed, bed_subject, board_subject, open_bed, open_board, record_view
from vitals.board import Board
from vitals.fragments import new_row_html, row_html
from vitals.grants import units_of
from vitals.models import Movement
from vitals.polling import answer_poll, entity_tag, held_tag, this_minute
from vitals.trend import read_history, read_series

MOVEMENTS_SHOWN = 10


@portal_required(HYPERSPACE)
@require_safe
def units(request: PortalRequest) -> HttpResponse:
    """Show the wards that are open to this person."""
    visible = units_of(request).with_occupancy()
    return render(request, "hyperspace/units.html", {"units": visible})


@portal_required(HYPERSPACE, by_session=True)
@require_safe
def board(request: PortalRequest, unit_id: int) -> HttpResponse:
    """Show a ward's beds with their patients' latest vitals."""
    shown = open_board(request, unit_id, is_by_bed=is_by_bed(request))
    return render(request, "hyperspace/board.html", board_context(request, shown))


@passive
@portal_required(HYPERSPACE, by_session=True)
@require_safe
def board_unattended(request: PortalRequest, unit_id: int) -> HttpResponseBase:
    """Show the board as browsers without JavaScript reload it by themselves."""
    return board(request, unit_id)


@portal_required(HYPERSPACE)
@require_safe
def handover(request: PortalRequest, unit_id: int) -> HttpResponse:
    """Show the ward's patients as a sheet to print: who printed it, and how old each reading was."""
    shown = open_board(request, unit_id, is_by_bed=is_by_bed(request))
    record_view(request, "board.print", "unit", shown.unit.pk, patients=shown.patient_ids)
    return render(request, "hyperspace/handover.html", board_context(request, shown))


@passive
@portal_required(HYPERSPACE, by_session=True)
@require_safe
def board_cells(request: PortalRequest, unit_id: int) -> HttpResponse:
    """Answer with what changes on a board; 304 while nothing has."""
    shown = open_board(request, unit_id, is_by_bed=is_by_bed(request), is_poll=True)
    context = board_context(request, shown) | {"rows": (row_html(row, shown.at) for row in shown.rows)}
    return answer_poll(request, "hyperspace/_board.html", context)


@portal_required(HYPERSPACE, by_session=True)
@require_safe
def bed(request: PortalRequest, key: str) -> HttpResponse:
    """Show one bed: its patient, the latest vitals, their course, and how the patient came here."""
    shown = open_bed(request, key)
    return render(request, "hyperspace/bed.html", bed_context(request, shown) | history_context(shown))


@passive
@portal_required(HYPERSPACE, by_session=True)
@require_safe
def bed_unattended(request: PortalRequest, key: str) -> HttpResponseBase:
    """Show the bed page as browsers without JavaScript reload it by themselves."""
    return bed(request, key)


@passive
@portal_required(HYPERSPACE, by_session=True)
@require_safe
def bed_cells(request: PortalRequest, key: str) -> HttpResponse:
    """Answer with what changes on a bed's page; 304 while patient and vitals stay, for a minute without the history."""
    shown = open_bed(request, key, is_poll=True)
    context = bed_context(request, shown)
    if held_tag(request) != context["etag"]:
        context |= history_context(shown)
    return answer_poll(request, "hyperspace/_bed.html", context)


@passive
@portal_required(HYPERSPACE, by_session=True)
@require_safe
def bed_trend(request: PortalRequest, key: str) -> HttpResponse:
    """Answer with what the bed page draws: the last 24 hours by the minute, of the encounter that is named with it."""
    occupant = open_bed(request, key, is_poll=True).row.occupant
    if occupant is None:
        return JsonResponse({"encounter": None, "series": {}})
    return JsonResponse({"encounter": str(occupant.encounter), "series": read_series(occupant.patient_id, now())})


def is_by_bed(request: HttpRequest) -> bool:
    """Whether the reader wants the beds in order of their numbers; by urgency otherwise."""
    return request.GET.get("by") == "bed"


def board_context(request: HttpRequest, shown: Board) -> dict[str, Any]:
    content = ([row.version for row in shown.rows], shown.counts, shown.held_at)
    return {
        "board": shown,
        "etag": entity_tag(request, board_subject(request, shown), content),
        "now": shown.at,
        "order": "?by=bed" if is_by_bed(request) else "",
        "rows": (new_row_html(row, shown.at) for row in shown.rows),
    }


def bed_context(request: HttpRequest, shown: OpenBed) -> dict[str, Any]:
    content = (shown.row.version, shown.held_at, this_minute())  # of its history only the newest is in the row
    return {
        "row": shown.row,
        "held_at": shown.held_at,
        "etag": entity_tag(request, bed_subject(request, shown.row), content),
        "now": now(),
    }


def history_context(shown: OpenBed) -> dict[str, Any]:
    """Return the patient's last day and movements, which only PostgreSQL knows."""
    occupant = shown.row.occupant
    if occupant is None or shown.held_at:
        return {}
    movements = Movement.objects.filter(visit=occupant.visit_id).select_related("bed")
    return {
        "history": read_history(occupant.patient_id, now()),
        "movements": movements.order_by("-occurred_at", "-pk")[:MOVEMENTS_SHOWN],
    }
