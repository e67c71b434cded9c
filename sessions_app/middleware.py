"""Activity, not traffic: pages extend a session, polls do not."""

import logging
from typing import cast

from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers

from audit.models import AuditEvent
from epicops.passive import is_passive
from sessions_app.backend import SessionStore, SessionsUnavailable
from sessions_app.ids import is_session_id

logger = logging.getLogger(__name__)

RETRY_AFTER = 5  # seconds
SERVER_ERROR = 500
SECONDS_LEFT = "Session-Seconds-Left"  # until it ends without activity
LOCKS_IN = "Session-Locks-In"  # seconds; only where the portal locks


class ActivitySessionMiddleware(SessionMiddleware):
    """Django's session middleware over an engine that refreshes as it loads, and a 503 while both stores are away.

    A passive view (`epicops.passive`) is checked like any other and refreshes nothing: OpenEMR's CVE-2026-25476
    was a poll that skipped the check. A page that fails was asked for by somebody all the same: it counts.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            return cast("HttpResponse", super().__call__(request))
        except (SessionsUnavailable, OperationalError) as error:  # after the view, while saving or recording
            return unavailable(error)

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        session = cast("SessionStore", request.session)
        session.is_activity = lambda: not is_passive(request)

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        return unavailable(error) if isinstance(error, SessionsUnavailable | OperationalError) else None

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        session = cast("SessionStore", request.session)
        if is_passive(request):
            response = leave_alone(session, response)
        else:
            record_refused_cookie(request)
            if response.status_code < SERVER_ERROR:  # such an answer sets no cookie
                session.renew_if_changed()
            response = super().process_response(request, response)
        if session.held is not None and session.session_key:
            response[SECONDS_LEFT] = str(session.seconds_left)
            if session.held.lock:
                response[LOCKS_IN] = str(session.locks_in)
        return response


def leave_alone(session: SessionStore, response: HttpResponse) -> HttpResponse:
    """Save what a poll changed, without extending the session and without a cookie.

    A poll's answer may arrive after another tab has signed in again: setting or deleting the cookie would undo that.
    """
    if session.accessed:
        patch_vary_headers(response, ("Cookie",))
    if session.modified and session.session_key and response.status_code < SERVER_ERROR:
        try:
            session.save(extend=False)
        except UpdateError:
            raise SessionInterrupted("The session ended before the poll was answered.") from None
    return response


def record_refused_cookie(request: HttpRequest) -> None:
    """Record a session cookie that no server of ours has set: somebody is trying ids. Its value is not kept."""
    cookie = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if cookie and not is_session_id(cookie) and request.session.accessed:
        detail = {"characters": len(cookie)}
        AuditEvent.objects.record("E", "session.refused_cookie", actor="anonymous", request=request, detail=detail)


def unavailable(error: Exception) -> HttpResponse:
    """503 with Retry-After and no cookie: the browser keeps the session it has."""
    logger.error("request refused: store unavailable", extra={"error": type(error).__name__})
    # Without the request, whose user cannot be looked up now.
    store = "sessions" if isinstance(error, SessionsUnavailable) else "database"  # open boards name it
    headers = {"Retry-After": str(RETRY_AFTER), "Epicops-Unavailable": store}
    return HttpResponse(render_to_string("503.html"), status=503, headers=headers)
