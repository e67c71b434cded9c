"""Boards and beds while PostgreSQL is away: what was read last, marked, for as long as policy allows."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from epicops.embedded.stack import Stack
from sessions_app.trust import trust
from tests import factories
from vitals import grants, house
from vitals.models import Unit

pytestmark = pytest.mark.django_db(transaction=True)

AWAY = "PostgreSQL is away"


@contextmanager
def without_postgresql(stack: Stack) -> Iterator[None]:
    connections.close_all()
    stack.postgres.kill()
    try:
        yield
    finally:
        stack.postgres.start()
        connections.close_all()
        trust.distrust()


@pytest.fixture
def amara(client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Amara, who has ward A's board open; another ward is in the house, and nothing is believed for a second."""
    for kept in (house._house, grants._grants):
        monkeypatch.setattr(kept, "_seconds", 0.0)
    amara = factories.signed_in(client, factories.amara())
    factories.observe(factories.admit(factories.bed()))
    factories.observe(factories.admit(factories.bed("bed500", factories.unit("B")), "Secret"))
    amara.get(f"{board('A')}cells/")
    return amara


def board(ward: str) -> str:
    return f"/hyperspace/units/{Unit.objects.get(code=ward).pk}/"


def text(client: Client, address: str, *, held: str = "") -> str:
    response = client.get(address, headers={"If-None-Match": held})
    assert response.status_code == 200
    return response.content.decode()


def test_an_open_board_goes_on_marked_and_recovers(amara: Client, stack: Stack) -> None:
    address = board("A")
    held = amara.get(address).context["etag"]

    with without_postgresql(stack):
        shown = [text(amara, f"{address}cells/", held=held), text(amara, address)]

    for page in shown:
        assert AWAY in page
        assert "Okafor, Amaka" in page
        assert "120/80" in page
    assert AWAY not in text(amara, address)


def test_a_bed_is_shown_without_its_history(amara: Client, stack: Stack) -> None:
    bed = "/hyperspace/beds/bed427/"

    with without_postgresql(stack):
        shown = [text(amara, bed), text(amara, f"{bed}cells/")]

    for page in shown:
        assert AWAY in page
        assert "120/80" in page
        assert "Nothing has been measured" not in page


def test_a_board_that_was_closed_opens_from_the_cache(amara: Client, stack: Stack) -> None:
    Unit.objects.get(code="B").staff.add(*Unit.objects.get(code="A").staff.all())
    address = board("B")
    amara.get(f"{board('A')}cells/")
    amara.get("/hyperspace/api/beds/bed500/vitals")

    with without_postgresql(stack):
        page = text(amara, address)

    assert AWAY in page
    assert "Secret" in page
    assert "120/80" in page


def test_another_ward_is_not_found(amara: Client, stack: Stack) -> None:
    address = board("B")

    with without_postgresql(stack):
        statuses = {amara.get(path).status_code for path in (address, "/hyperspace/beds/bed500/")}

    assert statuses == {404}


def test_it_is_not_shown_longer_than_policy_nor_to_whom_nothing_was_granted(
    amara: Client, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = factories.signed_in(Client(), factories.person("ada", ward="A"))
    address = board("A")

    with without_postgresql(stack):
        to_another = other.get(f"{address}cells/")
        monkeypatch.setattr(settings, "EPICOPS_BOARD_HELD", 0)
        too_late = amara.get(f"{address}cells/")

    for response in (to_another, too_late):
        assert (response.status_code, response["Epicops-Unavailable"]) == (503, "database")
        assert "Okafor" not in response.content.decode()
