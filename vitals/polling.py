"""Polls: one page view that goes on, so that it is answered by 304 and audited once."""

import time
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.template.loader import render_to_string
from django.utils.crypto import constant_time_compare, salted_hmac

SALT = "vitals.polling"


def entity_tag(request: HttpRequest, subject: str, content: object) -> str:
    """Return the ETag of `content`. It proves that this session was answered about `subject`: who, and where."""
    version = _hmac(repr(content))
    return f'"{version}.{_seal(request, subject, version)}"'


def this_minute() -> int:
    """Return what makes an ETag another each minute: of a page that says more than its other content covers."""
    return int(time.time()) // 60


def held_tag(request: HttpRequest) -> str:
    """Return the ETag the client holds, or an empty string."""
    return request.headers.get("If-None-Match", "").removeprefix("W/")  # weak once a proxy has compressed it


def is_continued(request: HttpRequest, subject: str) -> bool:
    """Whether this session already holds an answer about `subject`: the view is on record, this is more of it."""
    version, _, seal = held_tag(request).strip('"').partition(".")
    return constant_time_compare(seal, _seal(request, subject, version))


def answer_poll(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """Answer with the template, or 304 where the client holds this `context["etag"]`."""
    is_same = held_tag(request) == context["etag"]
    response = HttpResponseNotModified() if is_same else HttpResponse(render_to_string(template, dict(context)))
    response["ETag"] = context["etag"]
    return response


def _seal(request: HttpRequest, subject: str, version: str) -> str:
    return _hmac(f"{request.session.session_key}|{subject}|{version}")


def _hmac(value: str) -> str:
    return salted_hmac(SALT, value, algorithm="sha256").hexdigest()[:24]
