"""The browser beside the test database."""

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, Playwright, expect
from pytest_django.live_server_helper import LiveServer

from sessions_app.models import User
from tests import factories
from vitals.models import Visit

expect.set_options(timeout=20_000)  # a machine that other work keeps busy; what holds is seen at once


@pytest.fixture(scope="session")
def base_url() -> str:
    """Nothing: each test has its own server. The plugin's fixture of this name warns under this pytest."""
    return ""


@pytest.fixture(scope="session")
def playwright(django_db_setup: None, playwright: Playwright) -> Playwright:
    """The plugin's, with an event loop that ends before the test database is removed: beside it Django refuses to."""
    return playwright


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser reports on the page: errors, refused content and requests to anywhere else."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("request", lambda request: None if is_ours(request.url) else found.append(request.url))
    return found


def is_ours(url: str) -> bool:
    return url.startswith(("http://localhost:", "http://127.0.0.1:", "data:"))


@pytest.fixture
def visit(transactional_db: None) -> Visit:
    """A patient with vitals in bed427 of ward A, where Amara works; bed428 is free, bed429's readings are old."""
    factories.amara()
    visit = factories.admit(factories.bed())
    factories.observe(visit, minutes_ago=40, hr=70, sbp=131, dbp=82)
    factories.observe(visit)
    factories.bed("bed428")
    factories.observe(factories.admit(factories.bed("bed429"), "Haddad"), minutes_ago=9)
    return visit


@pytest.fixture
def amara(page: Page, live_server: LiveServer, visit: Visit) -> Page:
    """Amara's browser, signed in."""
    client = factories.signed_in(Client(), User.objects.get(username="amara"))
    name = settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
    page.goto(f"{live_server.url}/hyperspace/")
    expect(page.get_by_role("heading", name="My units")).to_be_visible()
    return page
