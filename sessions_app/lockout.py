"""What django-axes counts failed logins by."""

from collections.abc import Mapping

from django.http import HttpRequest
from django.utils.crypto import salted_hmac


def address(request: HttpRequest) -> str | None:
    """Return the client's address (`epicops.middleware`), None where nobody knows it."""
    return request.META.get("REMOTE_ADDR") or None


def subject(request: HttpRequest, credentials: Mapping[str, str] | None = None) -> str:
    """Return a pseudonym of the name somebody typed: it may have been a password."""
    name = (credentials or {}).get("username") or request.POST.get("username", "")
    return salted_hmac("sessions_app.lockout", name.casefold(), algorithm="sha256").hexdigest()
