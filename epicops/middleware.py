"""What a request is called, where it comes from, and responses that a shared workstation must not keep."""

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Final
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers
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
                address = ipaddress.ip_address(hop)
            except ValueError:
                return ""
            if not any(address in network for network in self.proxies):
                return str(address)
        return ""


class NoStoreMiddleware:
    """Mark every page `no-store`, so that the back button never shows PHI after logout (ASVS 5.0 V14.3.2)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response
