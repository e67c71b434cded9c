"""What a request is called, where it comes from, and responses that a shared workstation must not keep."""

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Final
from uuid import uuid4

from django.conf import settings
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers
from django.views.defaults import bad_request
from structlog.contextvars import bound_contextvars

REQUEST_ID: Final = "X-Request-ID"
IS_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9-]{8,64}")


class RequestIdMiddleware:
    """Give each request an id that its log lines and its answer carry: the proxy's, or one of our own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get(REQUEST_ID, "")
        request_id = given if IS_REQUEST_ID.fullmatch(given) else uuid4().hex
        with bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response[REQUEST_ID] = request_id
        return response


class ClientAddressMiddleware:
    """Put the client's address where everybody looks for it, REMOTE_ADDR: behind a proxy that is the proxy's.

    The last address in X-Forwarded-For that is no proxy of ours is the client; what stands before it, anybody may have
    written. A peer without an address came by our Unix socket, which only the proxy may open.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.proxies = [ipaddress.ip_network(network) for network in settings.EPICOPS_TRUSTED_PROXIES]

    def __call__(self, request: HttpRequest) -> HttpResponse:
        hops = [request.META.get("REMOTE_ADDR", ""), *reversed(request.headers.get("X-Forwarded-For", "").split(","))]
        request.META["REMOTE_ADDR"] = self._client(hops)
        return self.get_response(request)

    def _client(self, hops: Iterable[str]) -> str:
        """Return the first address, seen from here, that is no proxy's; nothing where something else stands there."""
        for hop in filter(None, map(str.strip, hops)):
            try:
                address = ipaddress.ip_address(hop.partition("%")[0])  # less the interface of a link-local one
            except ValueError:
                return ""
            address = getattr(address, "ipv4_mapped", None) or address  # how a socket for both kinds sees the old one
            if not any(address in network for network in self.proxies):
                return str(address)
        return ""


class NulMiddleware:
    """Answer 400 where PostgreSQL was asked for a text with a NUL, which it cannot hold: nobody types one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return bad_request(request, error) if isinstance(error, DataError) and "NUL" in str(error) else None


class NoStoreMiddleware:
    """Mark every page `no-store`, so that the back button never shows PHI after logout (ASVS 5.0 V14.3.2)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response
