"""The patients' page and the wall display in a browser: accessible, within the screen, and nothing from elsewhere."""

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from epicops.portal import MYCHART
from sessions_app.models import User
from tests import factories
from tests.e2e.test_board import overflow, violations
from tests.factories import session_id
from vitals.models import PatientAccount, Unit, Visit, WallDisplay
from vitals.portals import hash_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

CODE = "abcd-ef01-2345-6789-abcd"


@pytest.fixture
def visit(transactional_db: None) -> Visit:
    visit = factories.admit(factories.bed())
    factories.observe(visit, status="F", **factories.WHOLE)
    factories.bed("bed428")
    return visit


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_patients_page_is_accessible(
    page: Page, live_server: LiveServer, visit: Visit, scheme: str, complaints: list[str]
) -> None:
    user = factories.person("maya", User.Role.PATIENT)
    PatientAccount.objects.create(user=user, patient=visit.patient)
    cookie = session_id(factories.signed_in(Client(), user, MYCHART))
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a literal
    page.set_viewport_size({"width": 320, "height": 800})
    page.goto(f"{live_server.url}/mychart/")
    expect(page.get_by_role("heading", name="Heart rate")).to_be_visible()

    assert (violations(page), overflow(page), complaints) == ([], 0, [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_wall_display_is_set_up_once_and_keeps_current(
    page: Page, live_server: LiveServer, visit: Visit, scheme: str, complaints: list[str]
) -> None:
    WallDisplay.objects.create(unit=Unit.objects.get(), place="corridor", code_hash=hash_of(CODE))
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a literal
    page.goto(f"{live_server.url}/hyperspace/wall/")
    found = violations(page)
    page.get_by_label("Code").fill(CODE)
    page.get_by_role("button", name="Show the ward").click()
    expect(page.get_by_text("O. A.")).to_be_visible()
    found += violations(page)

    factories.discharge(visit)

    expect(page.get_by_text("O. A.")).to_have_count(0)
    assert (found, overflow(page), complaints) == ([], 0, [])
    WallDisplay.objects.update(is_revoked=True)
    expect(page.get_by_role("link", name="Sign in again")).to_be_visible()
