"""Activity, not traffic: pages extend a session, polls do not."""

import logging
from typing import cast

from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers

from epicops.passive import is_passive
from sessions_app.backend import SessionStore, SessionsUnavailable

logger = logging.getLogger(__name__)

RETRY_AFTER = 5  # seconds
SERVER_ERROR = 500


class ActivitySessionMiddleware(SessionMiddleware):
    """Django's session middleware with a sliding TTL that only activity refreshes, and a 503 while a store is away.

    A passive view (`epicops.passive`) is checked like any other and refreshes nothing: OpenEMR's CVE-2026-25476
    was a poll that skipped the check.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            return cast("HttpResponse", super().__call__(request))
        except SessionsUnavailable as error:  # while saving or touching, after the view
            return unavailable(error)

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        return unavailable(error) if isinstance(error, SessionsUnavailable | OperationalError) else None

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if is_passive(request):
            return leave_alone(request, response)
        session = cast("SessionStore", request.session)
        is_unchanged = session.accessed and not session.modified
        if is_unchanged and session.session_key and response.status_code < SERVER_ERROR:
            session.touch()
        return super().process_response(request, response)


def leave_alone(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Save what a poll changed, without extending the session and without a cookie.

    A poll's answer may arrive after another tab has signed in again: setting or deleting the cookie would undo that.
    """
    session = cast("SessionStore", request.session)
    if session.accessed:
        patch_vary_headers(response, ("Cookie",))
    if session.modified and session.session_key and response.status_code < SERVER_ERROR:
        try:
            session.save(extend=False)
        except UpdateError:
            raise SessionInterrupted("The session ended before the poll was answered.") from None
    return response


def unavailable(error: Exception) -> HttpResponse:
    """503 with Retry-After and no cookie: the browser keeps the session it has."""
    logger.error("request refused: store unavailable", extra={"error": type(error).__name__})
    # Without the request, whose user cannot be looked up now.
    store = "sessions" if isinstance(error, SessionsUnavailable) else "database"  # open boards name it
    headers = {"Retry-After": str(RETRY_AFTER), "Epicops-Unavailable": store}
    return HttpResponse(render_to_string("503.html"), status=503, headers=headers)
