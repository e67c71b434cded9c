"""Warn, lock, end: what the browser does with a session that nobody uses."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from epicops.portal import HYPERSPACE, MYCHART, OPERATIONS
from sessions_app.models import User
from tests import factories
from tests.e2e.test_board import WCAG
from tests.operators import root

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

UNIT = "/hyperspace/units/{}/"
STAY = "Stay signed in"
Enter = Callable[..., Page]


@pytest.fixture
def enter(page: Page, live_server: LiveServer) -> Enter:
    """Sign somebody in, in the browser of `page`, and open an address in it or in another tab."""

    def enter(path: str, user: User | None = None, portal: str = HYPERSPACE, *, tab: Page | None = None) -> Page:
        shown = tab or page
        if user is not None:
            client, name = factories.signed_in(Client(), user, portal), django_settings.SESSION_COOKIE_NAME
            cookie: Any = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
            page.context.add_cookies([cookie])
        shown.goto(live_server.url + path)
        return shown

    return enter


@pytest.fixture
def ward() -> str:
    """Amara's ward with a patient; its path."""
    user = factories.amara()
    factories.observe(factories.admit(factories.bed()))
    return UNIT.format(user.units.get().pk)


def amara() -> User:
    return User.objects.get(username="amara")


def test_two_minutes_before_it_asks_and_staying_is_one_key(
    enter: Enter, ward: str, settings: Any, complaints: list[str]
) -> None:
    settings.SESSION_LOCK = 123
    page = enter(ward, amara())
    dialog = page.get_by_role("dialog", name="Are you still there?")
    expect(dialog).to_be_hidden()
    expect(dialog).to_be_visible()  # three seconds later
    expect(page.get_by_role("button", name=STAY)).to_be_focused()
    assert Axe().run(page, options=WCAG).response["violations"] == []

    settings.SESSION_LOCK = 900
    page.keyboard.press("Enter")

    expect(dialog).to_be_hidden()
    assert complaints == []


def test_staying_in_one_tab_closes_the_question_in_the_other(enter: Enter, ward: str, settings: Any) -> None:
    settings.SESSION_LOCK = 121
    first = enter(ward, amara())
    second = enter(ward, tab=first.context.new_page())
    question = second.get_by_role("button", name=STAY)
    expect(question).to_be_visible()

    settings.SESSION_LOCK = 900
    first.get_by_role("button", name=STAY).click()

    expect(question).to_be_hidden()


def test_at_zero_the_patients_are_gone_and_the_password_brings_them_back(
    enter: Enter, ward: str, settings: Any
) -> None:
    settings.SESSION_LOCK = 4
    page = enter(ward, amara())
    other = enter("/hyperspace/", tab=page.context.new_page())
    expect(page.get_by_text("Okafor, Amaka")).to_be_visible()

    expect(page.get_by_role("heading", name="Locked")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("Okafor")).to_have_count(0)
    expect(other.get_by_role("heading", name="Locked")).to_be_visible()

    settings.SESSION_LOCK = 900
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.keyboard.press("Enter")

    expect(page.get_by_text("Okafor, Amaka")).to_be_visible()
    expect(other.get_by_role("heading", name="My units")).to_be_visible()


def test_the_page_is_taken_down_although_the_server_is_away(enter: Enter, ward: str, settings: Any) -> None:
    settings.SESSION_LOCK = 4
    page = enter(ward, amara())
    expect(page.get_by_text("Okafor, Amaka")).to_be_visible()

    page.context.set_offline(True)

    expect(page.get_by_text("Okafor, Amaka")).to_have_count(0, timeout=10_000)
    expect(page.get_by_text("has been taken down")).to_be_visible()


def test_a_patient_is_signed_out_and_comes_back_to_the_page(enter: Enter, settings: Any) -> None:
    settings.SESSION_IDLE = {MYCHART: 3}
    page = enter("/mychart/sessions/", factories.person("pat", User.Role.PATIENT), MYCHART)
    expect(page.get_by_role("heading", name="My sessions")).to_be_visible()

    expect(page.get_by_role("heading", name="Sign in to MyChart")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("Your session has ended")).to_be_visible()

    settings.SESSION_IDLE = {}
    page.get_by_label("Username").fill("pat")
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="My sessions")).to_be_visible()


def test_an_operator_is_asked_too_and_staying_is_one_key(enter: Enter, settings: Any, complaints: list[str]) -> None:
    settings.SESSION_IDLE = {OPERATIONS: 123}
    page = enter("/admin/", root(), OPERATIONS)
    dialog = page.get_by_role("dialog", name="Are you still there?")
    expect(dialog).to_be_visible()
    expect(page.get_by_role("button", name=STAY)).to_be_focused()
    assert Axe().run(page, options=WCAG).response["violations"] == []

    page.keyboard.press("Enter")

    expect(dialog).to_be_hidden()
    assert complaints == []


def test_an_operators_page_is_taken_down_and_leads_to_the_login_page_and_back(enter: Enter, settings: Any) -> None:
    settings.SESSION_IDLE = {OPERATIONS: 3}
    page = enter("/admin/audit/auditevent/", root(), OPERATIONS)
    other = enter("/admin/", tab=page.context.new_page())

    expect(page.get_by_label("Username")).to_be_visible()
    expect(other.get_by_label("Username")).to_be_visible()

    settings.SESSION_IDLE = {}
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Audit events")).to_be_visible()


def test_locking_by_hand_takes_the_other_tab_along(enter: Enter, ward: str) -> None:
    page = enter(ward, amara())
    other = enter(ward, tab=page.context.new_page())

    page.get_by_role("button", name="Lock", exact=True).click()

    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    expect(other.get_by_role("heading", name="Locked")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_a_session_are_accessible_and_fit_a_phone(
    enter: Enter, ward: str, scheme: Any, complaints: list[str]
) -> None:
    factories.signed_in(Client(), amara())  # a session elsewhere, to be listed
    page = enter("/hyperspace/login/", amara())
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 800})

    found: dict[str, Any] = {}
    for path in (
        "/hyperspace/sessions/",
        "/hyperspace/password/",
        "/hyperspace/break-glass/",
        "/hyperspace/unlock/",
        "/hyperspace/login/",
    ):
        enter(path)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        violations = [each["id"] for each in Axe().run(page, options=WCAG).response["violations"]]
        found[path] = (overflow, violations)

    assert set(map(str, found.values())) == {"(0, [])"}, found
    assert complaints == []
