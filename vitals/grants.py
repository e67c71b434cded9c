"""Which wards are open to somebody: those they work on, and in an emergency all of them."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.http import Http404

from epicops.kept import Kept
from epicops.portal import PortalRequest, emergency
from vitals.house import RECHECKED
from vitals.models import Unit
from vitals.wards import UnitQuerySet


class Grant(NamedTuple):
    """Who somebody is, and the wards that are open to them, by id."""

    user: AbstractUser
    units: Mapping[int, Unit]


_grants: Final[Kept[tuple[str | None, str], Grant]] = Kept(RECHECKED)
forget: Final = _grants.forget


def units_of(request: PortalRequest) -> UnitQuerySet:
    """Return the wards that are open to this person now."""
    return Unit.objects.all() if emergency(request) else Unit.objects.visible_to(request.user)


def read_grant(request: PortalRequest) -> Grant:
    """Return what is open to this person now; 404 where the session outlived the account. Two queries."""
    if not request.user.is_authenticated:
        raise Http404
    grant = Grant(request.user, {unit.pk: unit for unit in units_of(request)})
    _grants.put(_who(request), grant)
    return grant


def kept_grant(request: PortalRequest) -> Grant:
    """Return what was open to this session at most `RECHECKED` ago; the request has its user from there."""
    grant = _grants.get(_who(request), lambda: read_grant(request))
    request.user = grant.user
    return grant


def held_grant(request: PortalRequest) -> Grant | None:
    """Return what this process found last for this session, for as long as boards are shown without PostgreSQL."""
    return _grants.last(_who(request), settings.EPICOPS_BOARD_HELD)


def _who(request: PortalRequest) -> tuple[str | None, str]:
    return request.session.session_key, emergency(request)
