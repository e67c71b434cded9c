"""Who may look at whom: each address of the portal as each kind of person, and emergencies."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils.timezone import now

from audit.models import AuditEvent
from epicops.clock import timestamp
from epicops.portal import MYCHART
from sessions_app.models import User
from tests import factories
from vitals.models import Unit, Visit

pytestmark = pytest.mark.django_db

BED = "/hyperspace/beds/bed427/"
PLACES = {  # addresses of a ward or bed, by what is in them
    "board": "unit",
    "board-cells": "unit",
    "board-unattended": "unit",
    "handover": "unit",
    "bed": "bed",
    "bed-cells": "bed",
    "bed-trend": "bed",
    "bed-unattended": "bed",
    "bed-vitals": "bed",
}
# Each clinician's own wards; pages with a rule and tests of their own.
ELSEWHERE = {"units", "nurse-plan", "wall", "wall-cells"}


@pytest.fixture
def visit() -> Visit:
    """A patient in bed427 of ward A with normal vitals."""
    visit = factories.admit(factories.bed())
    factories.observe(visit)
    return visit


def address(name: str) -> str:
    return reverse(f"hyperspace:{name}", args=[Unit.objects.get(code="A").pk if PLACES[name] == "unit" else "bed427"])


def statuses(client: Client) -> set[int]:
    return {client.get(address(name)).status_code for name in PLACES}


def in_emergency(client: Client, *, minutes: float = 30) -> Client:
    session = client.session
    session.update({"bg_until": timestamp(now() + timedelta(minutes=minutes)), "bg_ref": "7"})
    session.save()
    return client


def test_each_address_is_open_to_the_wards_staff_only(client: Client, visit: Visit) -> None:
    operator = factories.signed_in(Client(), factories.olu())
    patient = factories.signed_in(Client(), factories.person("pat", User.Role.PATIENT), MYCHART)

    assert statuses(factories.signed_in(client, factories.amara())) == {200}
    assert statuses(factories.signed_in(Client(), factories.ben())) == {404}
    assert statuses(operator) == {403}
    assert statuses(patient) == {403}
    assert statuses(Client()) == {302, 401}


def test_no_address_of_the_portal_is_forgotten_here() -> None:
    _, portal = get_resolver().namespace_dict["hyperspace"]

    assert {name for name in portal.reverse_dict if isinstance(name, str)} == PLACES.keys() | ELSEWHERE


def test_an_emergency_opens_every_ward_and_what_is_seen_is_recorded_with_it(visit: Visit) -> None:
    ben = in_emergency(factories.signed_in(Client(), factories.ben()))

    assert statuses(ben) == {200}

    seen = AuditEvent.objects.filter(code__in=("board.view", "bed.view"))
    assert {event.detail["break_glass"] for event in seen} == {"7"}
    assert b"Ward A" in ben.get("/hyperspace/").content


def test_an_emergency_that_is_over_opens_nothing(visit: Visit) -> None:
    ben = in_emergency(factories.signed_in(Client(), factories.ben()), minutes=-1)

    assert statuses(ben) == {404}


def test_a_view_that_goes_on_in_an_emergency_is_another_view(visit: Visit) -> None:
    amara = factories.signed_in(Client(), factories.amara())
    held = amara.get(address("board-cells"))["ETag"]

    in_emergency(amara).get(address("board-cells"), headers={"If-None-Match": held})

    assert AuditEvent.objects.filter(code="board.view").count() == 2
