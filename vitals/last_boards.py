"""Boards while PostgreSQL is away: each process serves the last one it read for the same person, marked as such.

Vitals do not move without PostgreSQL, so there is nothing newer to show. After `EPICOPS_BOARD_HELD` seconds that is no
longer worth showing, and the page says that PostgreSQL is away.
"""

import logging
from dataclasses import replace
from typing import Final, NamedTuple

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AbstractUser
from django.utils.timezone import now

from epicops.clock import now as clock
from epicops.portal import PortalRequest, emergency
from vitals.board import Board

logger = logging.getLogger(__name__)

MOST: Final = 1000  # boards


class Last(NamedTuple):
    """A board as somebody was shown it, and when on `epicops.clock`."""

    board: Board
    user: AbstractUser
    kept_at: float


Key = tuple[str, str, int, bool]
_boards: dict[Key, Last] = {}


def keep(request: PortalRequest, board: Board, *, is_by_bed: bool) -> None:
    """Remember what this person was shown."""
    if len(_boards) >= MOST:
        _boards.clear()
    _boards[_key(request, board.unit.pk, is_by_bed=is_by_bed)] = Last(board, request.user, clock())


def last(request: PortalRequest, unit_id: int, *, is_by_bed: bool) -> Board | None:
    """Return what this person was shown last, None when that was never or too long ago.

    No audit event can be written: the log has who saw whom, by internal ids.
    """
    found = _boards.get(_key(request, unit_id, is_by_bed=is_by_bed))
    if found is None or clock() - found.kept_at > settings.EPICOPS_BOARD_HELD:
        return None
    request.user = found.user
    patients = list(found.board.patient_ids)
    logger.warning("board shown without postgresql", extra={"user_id": found.user.pk, "patient_ids": patients})
    return replace(found.board, at=now(), held_at=found.board.at)


def _key(request: PortalRequest, unit_id: int, *, is_by_bed: bool) -> Key:
    return str(request.session[SESSION_KEY]), emergency(request), unit_id, is_by_bed
