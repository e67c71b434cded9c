"""The browser beside the test database."""

import pytest
from playwright.sync_api import Page, Playwright, expect

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
