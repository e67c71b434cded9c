"""A nurse's day in a real browser: the page keeps current, says when it cannot, and takes patients down in time."""

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import Page, Response, Route, expect
from pytest_django.live_server_helper import LiveServer

from audit.models import AuditEvent
from epicops.embedded.stack import Stack
from epicops.redis_client import sessions_client
from tests import factories
from tests.builders import adt, oru, push
from tests.processes import ManageProcess
from vitals.cache import read_beds
from vitals.models import Bed, Unit, Visit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WCAG = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],  # to describe what passes takes axe most of its time
}


def open_board(page: Page) -> None:
    page.get_by_role("link", name="Ward A").click()
    expect(page.get_by_text("Okafor, Amaka")).to_be_visible()


def open_bed(page: Page) -> None:
    open_board(page)
    page.get_by_role("link", name="427").click()
    expect(page.get_by_role("heading", name="Last 24 hours")).to_be_visible()


def is_poll(response: Response) -> bool:
    return "/cells/" in response.url


def violations(page: Page) -> list[str]:
    return [violation["id"] for violation in Axe().run(page, options=WCAG).response["violations"]]


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than the screen."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_a_message_changes_the_heart_rate_on_an_open_board(
    page: Page, live_server: LiveServer, manage: Callable[..., ManageProcess], complaints: list[str]
) -> None:
    push(adt("A01"), oru(hr=78))
    manage("consume_interconnect", "--drain").wait()
    bed = Bed.objects.get(key="bed427")
    ward = bed.unit
    ward.staff.add(factories.person("amara"))
    manage("consume_interconnect")
    page.goto(f"{live_server.url}/hyperspace/units/{ward.pk}/")
    page.get_by_label("Username").fill("amara")
    page.get_by_label("Password").fill(factories.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    heart_rate = page.locator("#bed427-hr .value")
    expect(heart_rate).to_contain_text("78")
    page.evaluate("window.isTheSamePage = true")
    page.get_by_role("link", name="427").focus()

    push(oru(hr=141, minutes=2))
    while read_beds([bed])[bed.pk].readings[0].text != "141":
        page.wait_for_timeout(20)
    for _ in range(2):  # the first may have been under way
        page.wait_for_event("response", is_poll)

    expect(heart_rate).to_contain_text("141", timeout=1000)
    assert int(page.locator("#live").get_attribute("data-interval") or 0) <= 1500  # ms: there within two seconds
    assert page.evaluate("window.isTheSamePage")
    expect(page.get_by_role("link", name="427")).to_be_focused()
    assert complaints == []


def test_a_bed_page_keeps_current_too(amara: Page, visit: Visit, complaints: list[str]) -> None:
    open_bed(amara)

    factories.discharge(visit)

    expect(amara.get_by_text("No patient is recorded in this bed.")).to_be_visible()
    expect(amara.get_by_text("Okafor")).to_have_count(0)
    assert complaints == []


def test_an_answer_that_was_under_way_ends_no_pause_and_is_waited_for(amara: Page) -> None:
    open_board(amara)
    held: list[Route] = []
    amara.route("**/cells/", lambda route: held.append(route))  # noqa: PLW0108  playwright takes no method of C
    while not held:
        amara.wait_for_timeout(20)

    amara.get_by_role("button", name="Pause").click()
    amara.get_by_role("button", name="Resume").click()
    amara.get_by_role("button", name="Pause").click()
    with amara.expect_response(is_poll):
        held[0].continue_()

    amara.wait_for_timeout(50)
    expect(amara.locator("#live-state")).to_have_text("Paused")
    assert len(held) == 1  # and what is under way is asked no second time


INK = """(canvas, name) => {
  const paint = document.createElement("canvas").getContext("2d");
  paint.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  paint.fillRect(0, 0, 1, 1);
  const wanted = paint.getImageData(0, 0, 1, 1).data.slice(0, 3).join();
  const found = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return Array.from({ length: found.length / 4 }, (_, at) => found.slice(4 * at, 4 * at + 3).join() === wanted)
    .filter(Boolean).length;
}"""


def test_the_plot_shows_what_is_measured_seldom_or_far_from_normal(amara: Page, visit: Visit) -> None:
    for minutes in range(120):
        factories.observe(visit, minutes_ago=minutes, hr=80)
    for minutes in (15, 45, 75):
        factories.observe(visit, minutes_ago=minutes + 0.5, sbp=120, temp=32.5)
    open_bed(amara)
    canvas = amara.locator("#plot canvas")
    expect(canvas).to_be_visible()

    assert canvas.evaluate(INK, "--accent") > 40
    assert canvas.evaluate(INK, "--ok") > 40


def test_the_plot_belongs_to_the_view_that_is_on_record(amara: Page, visit: Visit) -> None:
    open_bed(amara)
    expect(amara.locator("#plot canvas")).to_be_visible()
    with amara.expect_response("**/trend/"), transaction.atomic():
        factories.discharge(visit)
        newcomer = factories.admit(Bed.objects.get(key="bed427"), "Newman")

    assert AuditEvent.objects.filter(code="bed.view", patient_id=newcomer.patient_id).count() == 1


def test_the_plot_goes_with_the_patient(amara: Page, visit: Visit, complaints: list[str]) -> None:
    open_bed(amara)
    expect(amara.locator("#plot canvas")).to_be_visible()
    amara.get_by_role("button", name="6 h").click()
    factories.discharge(visit)
    factories.admit(Bed.objects.get(key="bed427"), "Newman")

    expect(amara.get_by_text("Newman, Amaka")).to_be_visible()

    expect(amara.locator("#plot canvas")).to_have_count(0)
    assert complaints == []


def test_a_new_bed_appears_by_itself(amara: Page) -> None:
    open_board(amara)

    factories.admit(factories.bed("bed430"), "Newman")

    expect(amara.get_by_text("Newman, Amaka")).to_be_visible()


def test_readings_age_and_go_stale_without_the_server(amara: Page) -> None:
    amara.clock.install(time=timezone.now())
    open_board(amara)
    amara.get_by_role("button", name="Pause").click()
    cell = amara.locator("#bed427-hr")
    expect(cell).not_to_contain_text("[78]", use_inner_text=True)

    amara.clock.fast_forward("06:00")

    expect(cell).to_contain_text(re.compile(r"\[78\].*stale \d\d:\d\d\s+6 min", re.DOTALL), use_inner_text=True)


def test_a_board_that_cannot_ask_says_so_and_recovers(amara: Page) -> None:
    open_board(amara)
    amara.context.set_offline(True)

    expect(amara.get_by_role("alert")).to_have_text(re.compile(r"Not updating since \d\d:\d\d"), timeout=15_000)
    amara.context.set_offline(False)

    expect(amara.get_by_role("alert")).to_be_hidden(timeout=10_000)
    expect(amara.get_by_text("Okafor, Amaka")).to_be_visible()


def test_a_board_whose_feed_has_stopped_says_so(amara: Page, visit: Visit) -> None:
    amara.clock.install(time=timezone.now())
    open_board(amara)
    expect(amara.get_by_role("alert")).to_be_hidden()

    amara.clock.fast_forward("03:00")  # the server's clock has not moved: the page believes its own until it answers

    expect(amara.get_by_role("alert")).to_have_text(re.compile(r"No new readings on this unit since \d\d:\d\d"))


def test_a_board_goes_on_without_the_sessions_server(amara: Page, stack: Stack) -> None:
    open_board(amara)

    stack.sessions.kill()
    amara.reload()

    expect(amara.get_by_text("Okafor, Amaka")).to_be_visible()


def test_a_session_that_ends_takes_the_patients_down(amara: Page) -> None:
    open_board(amara)
    sessions_client().delete(*sessions_client().keys("session:*"))

    expect(amara.get_by_role("link", name="Sign in again")).to_be_visible()

    assert "Okafor" not in amara.content()


def test_a_ward_that_is_no_longer_hers_is_taken_down(amara: Page) -> None:
    open_board(amara)
    Unit.objects.get(code="A").staff.clear()

    expect(amara.get_by_role("link", name="Sign in again")).to_be_visible()

    assert "Okafor" not in amara.content()


def test_updates_can_be_paused(amara: Page, visit: Visit) -> None:
    open_board(amara)
    amara.get_by_role("button", name="Pause").click()
    factories.admit(factories.bed("bed430"), "Newman")
    amara.wait_for_timeout(2500)
    expect(amara.get_by_text("Newman")).to_have_count(0)

    amara.get_by_role("button", name="Resume").click()

    expect(amara.get_by_text("Newman")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(amara: Page, live_server: LiveServer, scheme: str, complaints: list[str]) -> None:
    amara.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a literal
    found = {"units": violations(amara)}
    open_bed(amara)
    found["bed"] = violations(amara)
    amara.go_back()
    found["board"] = violations(amara)
    amara.get_by_role("link", name="Hand-over sheet").click()
    found["hand-over"] = violations(amara)
    amara.get_by_role("button", name="Sign out").click()
    found["login"] = violations(amara)

    assert found == {"units": [], "bed": [], "board": [], "hand-over": [], "login": []}
    assert complaints == []


@pytest.mark.parametrize("width", [320, 390, 900])
def test_no_page_is_wider_than_the_screen(amara: Page, width: int) -> None:
    amara.set_viewport_size({"width": width, "height": 800})
    assert overflow(amara) == 0

    open_board(amara)
    assert overflow(amara) == 0

    amara.get_by_role("link", name="Hand-over sheet").click()
    amara.wait_for_url("**/handover/")
    assert overflow(amara) == 0

    amara.get_by_role("link", name="Ward A").click()
    amara.get_by_role("link", name="427").click()
    amara.wait_for_url("**/beds/**")
    assert overflow(amara) == 0


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_the_board_reloads_itself_and_says_its_age(amara: Page) -> None:
    open_board(amara)

    expect(amara.locator("#bed429-hr")).to_contain_text(
        re.compile(r"\[78\].*stale.*9 min", re.DOTALL), use_inner_text=True
    )
    expect(amara.locator("#live-state")).to_contain_text("As of")
    expect(amara.locator("meta[http-equiv=refresh]")).to_have_attribute(
        "content", re.compile(r"^30; url=/.*/unattended/$")
    )
