"""Boards while the cache server is gone, frozen or emptied: PostgreSQL answers, soon, and the page says so."""

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from django_redis import get_redis_connection

from epicops.embedded.stack import Stack
from tests import factories
from vitals.models import Unit

pytestmark = pytest.mark.django_db(transaction=True)

SOON = 1.0  # seconds; one Redis time-out is 0.1, the rest is for a busy machine


@pytest.fixture
def outage(stack: Stack, hurried: None) -> Iterator[Callable[[str], None]]:
    """Does to the cache server what its argument says; thaws it at the end."""
    assert stack.cache._process
    pid = stack.cache._process.pid
    yield lambda kind: {
        "gone": stack.cache.kill,
        "frozen": lambda: os.kill(pid, signal.SIGSTOP),
        "emptied": get_redis_connection("default").flushall,
    }[kind]()
    if stack.cache.is_running:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("kind", ["gone", "frozen", "emptied"])
def test_a_board_goes_on_from_postgresql_and_says_so(client: Client, outage: Callable[[str], None], kind: str) -> None:
    amara = factories.signed_in(client, factories.amara())
    factories.observe(factories.admit(factories.bed()))
    address = f"/hyperspace/units/{Unit.objects.get().pk}/cells/"
    amara.get(address)
    assert amara.get(address).context["board"].source == "cache"

    outage(kind)
    started = time.monotonic()
    board = amara.get(address).context["board"]
    waited = time.monotonic() - started

    assert board.source == "database"
    assert [cell.reading.text for cell in board.rows[0].cells][:2] == ["78", "120/80"]
    assert waited < SOON


def test_a_frozen_server_is_used_again_once_it_answers(
    client: Client, outage: Callable[[str], None], stack: Stack
) -> None:
    amara = factories.signed_in(client, factories.amara())
    factories.observe(factories.admit(factories.bed()))
    address = f"/hyperspace/units/{Unit.objects.get().pk}/cells/"
    outage("frozen")
    amara.get(address)
    assert stack.cache._process
    os.kill(stack.cache._process.pid, signal.SIGCONT)

    deadline = time.monotonic() + 15
    while amara.get(address).context["board"].source != "cache":
        assert time.monotonic() < deadline
        time.sleep(0.2)
