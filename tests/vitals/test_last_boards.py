"""Boards while PostgreSQL is away: what was shown last, marked, to the same person, for as long as policy allows."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from epicops.embedded.stack import Stack
from sessions_app.trust import trust
from tests import factories
from vitals import last_boards
from vitals.models import Unit

pytestmark = pytest.mark.django_db(transaction=True)


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
def amara(client: Client) -> Client:
    last_boards._boards.clear()
    user = factories.amara()
    factories.observe(factories.admit(factories.bed()))
    return factories.signed_in(client, user)


def test_an_open_board_goes_on_marked_and_recovers(amara: Client, stack: Stack) -> None:
    board = f"/hyperspace/units/{Unit.objects.get().pk}/"
    held = amara.get(board).context["etag"]

    with without_postgresql(stack):
        poll = amara.get(f"{board}cells/", headers={"If-None-Match": held})
        page = amara.get(board)

    assert (poll.status_code, page.status_code) == (200, 200)
    for response in (poll, page):
        assert "PostgreSQL is away" in response.content.decode()
        assert "Okafor, Amaka" in response.content.decode()
    assert "PostgreSQL is away" not in amara.get(board).content.decode()


def test_it_is_not_shown_longer_than_policy_nor_to_anybody_else(
    amara: Client, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = factories.signed_in(Client(), factories.person("ada", ward="A"))
    board = f"/hyperspace/units/{Unit.objects.get().pk}/"
    amara.get(board)

    with without_postgresql(stack):
        to_another = other.get(f"{board}cells/")
        monkeypatch.setattr(settings, "EPICOPS_BOARD_HELD", 0)
        too_late = amara.get(f"{board}cells/")

    for response in (to_another, too_late):
        assert (response.status_code, response["Epicops-Unavailable"]) == (503, "database")
        assert "Okafor" not in response.content.decode()
