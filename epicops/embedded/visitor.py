"""A person at a browser without a browser: keeps cookies, fills in forms, reads pages."""

import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping

CSRF = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
SECONDS = 10


class PageError(Exception):
    """A page answered with an error status, or without the form that was to be filled in."""


class Visitor:
    """One person's visit to the site at `address`, for example http://127.0.0.1:8000."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def read(self, path: str) -> str:
        """Return the page at `path`, redirects followed; raise PageError for a status from 400."""
        return self._open(urllib.request.Request(self.address + path))  # noqa: S310  our own http address

    def submit(self, path: str, fields: Mapping[str, str]) -> str:
        """Fill in the form at `path`, post it, and return the page that follows."""
        token = CSRF.search(self.read(path))
        if token is None:
            raise PageError(f"{path} shows no form")
        data = urllib.parse.urlencode({**fields, "csrfmiddlewaretoken": token[1]}).encode()
        return self._open(urllib.request.Request(self.address + path, data))  # noqa: S310  our own http address

    def cookie(self, name: str) -> str:
        """Return a cookie's value, or "" where there is none."""
        return next((str(cookie.value) for cookie in self.cookies if cookie.name == name), "")

    def _open(self, request: urllib.request.Request) -> str:
        try:
            with self._opener.open(request, timeout=SECONDS) as response:
                return str(response.read().decode())
        except urllib.error.HTTPError as error:
            error.close()
            raise PageError(f"{request.selector} answered {error.code}") from None
