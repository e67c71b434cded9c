"""Polls: one page view that goes on, so that it is answered by 304 and audited once."""

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac

SALT = "vitals.polling"


def entity_tag(request: HttpRequest, subject: str, content: object) -> str:
    """Return the ETag of `content`. It proves that this session was answered about `subject`: who, and where."""
    version = _hmac(repr(content))
    return f'"{version}.{_seal(request, subject, version)}"'


def held_tag(request: HttpRequest) -> str:
    """Return the ETag the client holds, or an empty string."""
    return request.headers.get("If-None-Match", "").removeprefix("W/")  # weak once a proxy has compressed it


def is_continued(request: HttpRequest, subject: str) -> bool:
    """Whether this session already holds an answer about `subject`: the view is on record, this is more of it."""
    version, _, seal = held_tag(request).strip('"').partition(".")
    return constant_time_compare(seal, _seal(request, subject, version))


def _seal(request: HttpRequest, subject: str, version: str) -> str:
    return _hmac(f"{request.session.session_key}|{subject}|{version}")


def _hmac(value: str) -> str:
    return salted_hmac(SALT, value, algorithm="sha256").hexdigest()[:24]
