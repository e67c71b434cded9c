"""Whose address a request has, behind proxies and behind liars."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from epicops.middleware import ClientAddressMiddleware


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "203.0.113.1", "192.0.2.7"),  # no proxy: the header is anybody's
        ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "203.0.113.1, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("", "192.0.2.7", "192.0.2.7"),  # by the Unix socket
        ("", "2001:db8::7", "2001:db8::7"),
        ("fe80::7%eth0", "", "fe80::7"),
        ("::ffff:10.0.0.1", "::ffff:192.0.2.7", "192.0.2.7"),  # by a socket for IPv4 and IPv6
        ("10.0.0.1", "192.0.2.7, unknown", ""),
        ("10.0.0.1", "", ""),
        ("", "", ""),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy(
    settings: Settings, peer: str, forwarded: str, client: str
) -> None:
    settings.EPICOPS_TRUSTED_PROXIES = ["10.0.0.0/24"]
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    ClientAddressMiddleware(view)(RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded))

    assert seen[0].META["REMOTE_ADDR"] == client
