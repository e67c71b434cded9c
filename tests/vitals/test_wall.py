"""The display on the wall: its own credential, few fields, ended by revoking it."""

import pytest
from django.test import Client

from audit.models import AuditEvent
from tests import factories
from vitals.models import Unit, Visit, VisitPlan, WallDisplay
from vitals.portals import hash_of, new_code
from vitals.wall import COOKIE, COOKIE_AGE

pytestmark = pytest.mark.django_db

WALL = "/hyperspace/wall/"
CODE = "abcd-ef01-2345-6789-abcd"


@pytest.fixture
def visit() -> Visit:
    visit = factories.admit(factories.bed())
    factories.observe(visit, status="F", **factories.WHOLE)
    return visit


@pytest.fixture
def display(visit: Visit) -> WallDisplay:
    return WallDisplay.objects.create(unit=Unit.objects.get(), place="nurses' station", code_hash=hash_of(CODE))


@pytest.fixture
def screen(client: Client, display: WallDisplay) -> Client:
    """The display's browser, with its code typed."""
    assert client.post(WALL, {"code": CODE.upper()})["Location"] == WALL
    return client


def test_it_shows_beds_initials_and_scores_and_no_more(screen: Client, visit: Visit) -> None:
    VisitPlan.objects.create(visit=visit, flags=["no-code"], stated_at=factories.today(8))

    shown = screen.get(WALL).content.decode()

    assert "O. A." in shown
    assert '<span class="score">0</span> <span class="word">low</span>' in shown
    for hidden in ("Okafor", "Amaka", "120/80", "No-code", "65 y"):
        assert hidden not in shown


def test_a_wrong_code_shows_nothing(client: Client, display: WallDisplay) -> None:
    response = client.post(WALL, {"code": new_code()})

    assert response.status_code == 403
    assert b"No display has this code." in response.content
    assert b"O. A." not in client.get(WALL).content


def test_a_revoked_display_goes_dark(screen: Client, display: WallDisplay) -> None:
    assert screen.get(f"{WALL}cells/").status_code == 200
    WallDisplay.objects.update(is_revoked=True)

    assert screen.get(f"{WALL}cells/").status_code == 401
    assert b"O. A." not in screen.get(WALL).content


def test_its_cookie_lasts_a_year_from_the_last_start(screen: Client) -> None:
    assert screen.get(WALL).cookies[COOKIE]["max-age"] == COOKIE_AGE


def test_its_cookie_opens_no_other_page(screen: Client, visit: Visit) -> None:
    assert screen.get("/hyperspace/beds/bed427/").status_code == 302


def test_what_it_shows_is_recorded_once(screen: Client, display: WallDisplay, visit: Visit) -> None:
    held = screen.get(WALL).context["etag"]
    assert screen.get(f"{WALL}cells/", headers={"If-None-Match": held}).status_code == 304

    event = AuditEvent.objects.get(code="wall.view")
    assert event.detail == {"display": display.pk, "patients": [visit.patient_id]}


def test_the_admin_shows_a_displays_code_once(admin_client: Client, visit: Visit) -> None:
    unit = Unit.objects.get()

    added = admin_client.post(
        "/admin/vitals/walldisplay/add/", {"unit": unit.pk, "place": "corridor"}, follow=True
    ).content.decode()

    code = added.partition("shown only now: ")[2][:24]
    assert WallDisplay.objects.get().code_hash == hash_of(code)
    assert code not in admin_client.get("/admin/vitals/walldisplay/").content.decode()
