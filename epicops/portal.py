"""Entrances, as on a hospital's front: which roles may come in where, and what a session is bound to at login."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

from epicops.clock import timestamp
from epicops.passive import is_passive

HYPERSPACE: Final = "Hyperspace"
MYCHART: Final = "MyChart"
OPERATIONS: Final = "Operations"
ROLES: Final = {
    HYPERSPACE: frozenset({"physician", "nurse", "charge_nurse"}),
    MYCHART: frozenset({"patient"}),
}
DOORS: Final = {HYPERSPACE: "sessions:login", MYCHART: "sessions:mychart-login", OPERATIONS: "admin:login"}
HOMES: Final = {HYPERSPACE: "hyperspace:units", MYCHART: "mychart:vitals", OPERATIONS: "admin:index"}


@dataclass(frozen=True, slots=True)
class Policy:
    """How long, and how many, sessions of a portal may be.

    Seconds: `idle` until it ends unused, `absolute` until it ends anyway, `lock` until it locks unused (0: never).
    `at_once` is how many sessions one person may have; `is_refused`: the new one is one too many, not the oldest.
    """

    idle: int
    absolute: int
    lock: int
    at_once: int
    is_refused: bool


def policy(portal: str) -> Policy:
    """Return what a portal allows; no portal and no setting allows more than SESSION_COOKIE_AGE of idleness."""
    return Policy(
        idle=min(settings.SESSION_IDLE.get(portal, settings.SESSION_COOKIE_AGE), settings.SESSION_COOKIE_AGE),
        absolute=settings.SESSION_ABSOLUTE,
        lock=settings.SESSION_LOCK if portal == HYPERSPACE else 0,
        at_once=settings.SESSION_LIMITS.get(portal, settings.SESSION_LIMITS[OPERATIONS]),
        is_refused=settings.SESSION_LIMIT_REFUSES,
    )


ENDED = "Your session has ended: nothing was done for a while, or somebody ended it. Sign in to go on where you were."
NOT_SAVED = "What you sent last was not saved."

View = Callable[..., HttpResponseBase]


class PortalRequest(HttpRequest):
    """A request of somebody who signed in at a portal."""

    user: AbstractUser  # type: ignore[assignment]  # nobody anonymous


def bind(request: HttpRequest, *, role: str, department: str, portal: str) -> None:
    """Write into the session what its holder may do; the wire contract shows these fields to other systems."""
    clear = {"role": role, "department": department, "portal": portal}
    request.session.update({**clear, "bound": rights(clear)})


def rights(session: Mapping[str, Any]) -> list[Any]:
    """Return what a session may do by its fields in clear, which follow the account.

    The signed data has the same as `bound`: what the present id was given out for.
    """
    return [session.get(name, "") for name in ("role", "department", "portal")]


def is_as_signed(session: Mapping[str, Any]) -> bool:
    """Whether the fields in clear give nothing that the signed data does not; else only the registry can tell why."""
    now = rights(session)
    glass = [session.get("bg_until", ""), session.get("bg_ref", "")]
    return session.get("bound", now) == now and glass in (["", ""], session.get("glass"))


def portal_required(*portals: str, by_session: bool = False) -> Callable[[View], View]:
    """Let in who signed in at one of these portals in one of its roles: others get the first one's door, or 403.

    Both are read from the session, which has been loaded in one round trip, not from the user's row. With `by_session`
    that row is not looked up at all: the view does it, or the session's word is enough. Operations has no roles: its
    own pages ask for more.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            session = request.session
            if not (SESSION_KEY in session if by_session else request.user.is_authenticated):
                return sign_in(request, portals[0])
            portal = session.get("portal")
            if portal not in portals or (portal in ROLES and session.get("role") not in ROLES[portal]):
                raise PermissionDenied
            if session.get("locked"):
                return unlock_first(request)
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def emergency(request: HttpRequest) -> str:
    """Return the reference of the break-glass access that is open in this session; empty where there is none.

    While there is one, its holder sees every ward, and what they see is recorded with it. It closes by itself: the
    time stands in the session, which this request has loaded anyway.
    """
    return str(request.session["bg_ref"]) if emergency_until(request) else ""


def emergency_until(request: HttpRequest) -> datetime | None:
    """Return when this session's emergency access closes; None where none is open."""
    until = str(request.session.get("bg_until", ""))
    return datetime.fromisoformat(until) if until and until > timestamp() else None


def context(request: HttpRequest) -> dict[str, Callable[[], object]]:
    """Give templates what they show of a session; a page that does not ask does not load it."""
    return {"emergency_until": functools.partial(emergency_until, request)}


def unlock_first(request: HttpRequest) -> HttpResponse:
    """Send a person whose workstation has locked to the lock screen and back; tell a poll by 423."""
    if is_passive(request):
        return render(request, "401.html", {"door": reverse(DOORS[HYPERSPACE])}, status=423)
    return redirect_to_login(request.get_full_path(), reverse("sessions:unlock"))


def sign_in(request: HttpRequest, portal: str = HYPERSPACE) -> HttpResponse:
    """Send a person to a portal's login page and back; tell a poll, which can do neither, by 401."""
    door = reverse(DOORS[portal])
    if is_passive(request):
        response = render(request, "401.html", {"door": door}, status=401)
        response["WWW-Authenticate"] = "Session"  # RFC 9110, 15.5.2: a 401 names a scheme
        return response
    if settings.SESSION_COOKIE_NAME in request.COOKIES:
        messages.info(request, ENDED if request.method == "GET" else f"{ENDED} {NOT_SAVED}")
    return redirect_to_login(request.get_full_path(), door)
