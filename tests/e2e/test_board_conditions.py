"""A board as wards have it: the server killed, nobody at the workstation, seen without colour, printed."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Page, expect

from epicops.embedded import processes
from epicops.embedded.programs import web
from epicops.embedded.stack import free_port
from epicops.portal import HYPERSPACE
from epicops.redis_client import sessions_client
from tests import factories
from tests.e2e.test_board import is_poll, open_board, violations
from vitals.models import Unit, Visit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ILL = factories.WHOLE | {"rr": 26, "spo2": 90, "hr": 128}

# What colour says on a board, by the class that gives it.
SAID = {"risk-high": "high", "stale": "stale", "overdue": "overdue", "unassigned": "unassigned"}


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Server:
    port: int
    gunicorn: "subprocess.Popen[bytes]"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self, page: Page, path: str) -> None:
        """Open a page of this server in the session that the browser has, once it serves."""
        cookie = next(one for one in page.context.cookies() if one["name"] == settings.SESSION_COOKIE_NAME)
        page.context.add_cookies([{"name": "sid", "value": cookie["value"], "url": self.address}])
        deadline = time.monotonic() + 60
        while not is_listening(self.port):
            assert time.monotonic() < deadline
            page.wait_for_timeout(100)
        page.goto(self.address + path)

    def kill(self) -> None:
        processes.end(processes.tree(self.gunicorn.pid), signal.SIGKILL)
        self.gunicorn.wait()


@pytest.fixture
def server(process_environment: dict[str, str]) -> Iterator[Server]:
    """A web server of its own, as production runs it but for TLS."""
    port = free_port()
    environment = process_environment | {"EPICOPS_PLAIN_HTTP": "1"}
    gunicorn = subprocess.Popen(web(port), env=environment, stdout=subprocess.DEVNULL)
    server = Server(port, gunicorn)
    yield server
    server.kill()


@pytest.fixture
def brief(settings: Any) -> None:
    settings.SESSION_IDLE = {HYPERSPACE: 6}


def test_a_board_whose_server_is_killed_says_so_and_goes_stale_by_itself(
    amara: Page, visit: Visit, server: Server
) -> None:
    amara.clock.install(time=timezone.now())
    server.open(amara, f"/hyperspace/units/{Unit.objects.get().pk}/")
    reading = amara.locator("#bed427-hr")
    expect(reading).not_to_contain_text("stale", use_inner_text=True)

    server.kill()

    expect(amara.get_by_role("alert")).to_contain_text("Not updating since")
    amara.clock.fast_forward("06:00")
    expect(reading).to_contain_text("stale", use_inner_text=True)


def test_a_session_ends_on_time_although_the_board_polls(brief: None, amara: Page) -> None:
    polls: list[int] = []
    amara.on("response", lambda response: polls.append(response.status) if is_poll(response) else None)
    open_board(amara)
    (session,) = sessions_client().keys("session:*")
    left = sessions_client().pttl(session)

    expect(amara.get_by_text("Okafor")).to_have_count(0)

    assert left <= 6000
    assert not sessions_client().exists(session)
    assert [status for status in polls if status in {200, 304}][1:]  # it had been asked again


def test_what_colour_says_on_a_board_words_say_too(amara: Page, visit: Visit) -> None:
    factories.observe(factories.admit(factories.bed("bed430"), "Grave"), minutes_ago=7, status="F", **ILL)
    factories.observe(factories.admit(factories.bed("bed431"), "Well"), status="F", **factories.WHOLE)
    open_board(amara)
    amara.context.new_cdp_session(amara).send("Emulation.setEmulatedVisionDeficiency", {"type": "achromatopsia"})

    for shade, word in SAID.items():
        found = amara.locator(f"td.{shade}, .{shade}:not(td)")
        assert found.count(), shade
        for text in found.all_inner_texts():
            assert word in text.lower(), shade
    assert violations(amara) == []


@pytest.mark.parametrize("path", ["", "handover/"])
def test_a_page_prints_black_on_white_without_buttons(amara: Page, visit: Visit, path: str) -> None:
    open_board(amara)
    amara.goto(f"{amara.url}{path}")
    amara.emulate_media(media="print", color_scheme="dark")

    ground = amara.evaluate("getComputedStyle(document.body).backgroundColor")

    assert ground == "rgb(255, 255, 255)"
    assert not [button for button in amara.get_by_role("button").all() if button.is_visible()]
    expect(amara.get_by_text("Okafor, Amaka")).to_be_visible()
    assert violations(amara) == []
