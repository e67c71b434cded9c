"""The images of docs/, made anew: a temporary demo, and a browser in which its people do what they show."""

import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import django
import psycopg
from playwright.sync_api import Browser, Page, expect, sync_playwright

from epicops.embedded.demo import passwords
from epicops.embedded.programs import PROJECT
from epicops.embedded.smoke import Demo, demo_starts

IMAGES: Final = PROJECT / "docs" / "images"
ADMIN, HYPERSPACE, MYCHART = "/admin/login/?next=/admin/", "/hyperspace/login/", "/mychart/login/"
SECONDS: Final = 60_000  # ms that a step may take on a busy machine
PULSES: Final = 40


class Studio:
    """The demo and the browser."""

    def __init__(self, demo: Demo, browser: Browser) -> None:
        self.demo, self.browser = demo, browser
        self.passwords: dict[str, str] = json.loads(passwords(demo.root).read_text())

    def window(self, width: int, height: int, *, is_dark: bool = False) -> Page:
        context = self.browser.new_context(
            base_url=self.demo.address,
            viewport={"width": width, "height": height},
            color_scheme="dark" if is_dark else "light",
        )
        context.set_default_timeout(SECONDS)
        return context.new_page()

    def person(self, name: str, login: str, width: int, height: int, *, is_dark: bool = False) -> Page:
        """Return the window of somebody who has signed in at the page `login`."""
        page = self.window(width, height, is_dark=is_dark)
        page.goto(login)
        page.locator("[name=username]").fill(name)
        page.locator("[name=password]").fill(self.passwords[name])
        page.locator("[name=password]").press("Enter")
        page.wait_for_url(lambda url: "login" not in url)
        return page


def shoot(page: Page, name: str, height: int = 0) -> None:
    """Keep the page from its top, so high, or all of it."""
    size = page.viewport_size or {"width": 1280}
    whole: int = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": height or whole})
    page.evaluate("scrollTo(0, 0)")
    page.screenshot(path=IMAGES / f"{name}.png")


def portals(studio: Studio) -> None:
    carol = studio.person("carol", HYPERSPACE, 1440, 860)
    ward = ward_at_risk(carol)
    board = carol.url
    assign(carol)
    carol.goto(board)
    expect(carol.locator("#live-state")).to_have_text("Live")
    shoot(carol, "board", 860)
    carol.set_viewport_size({"width": 1200, "height": 1612})
    carol.locator("#live a").first.click()
    expect(carol.locator("canvas")).to_be_visible()
    shoot(carol, "bed", 1612)
    phone = studio.person("carol", HYPERSPACE, 390, 844, is_dark=True)
    phone.goto(board)
    shoot(phone, "phone", 844)
    pat = studio.person("pat", MYCHART, 1100, 640)
    expect(pat.get_by_role("heading", name="Heart rate").first).to_be_visible()
    shoot(pat, "mychart", 640)
    wall(studio, ward)


def ward_at_risk(carol: Page) -> str:
    """Open the board of a ward where somebody's NEWS2 is high, or after two minutes of any; return its name."""
    ward = ""
    for ward in ["Emergency", "Medical"] * 20:
        carol.wait_for_timeout(3000)
        carol.goto("/hyperspace/")
        carol.get_by_role("link", name=ward, exact=True).click()
        expect(carol.locator("#live-state")).to_have_text("Live")
        if carol.locator("#live .risk-high").count():
            break
    return ward


def assign(carol: Page) -> None:
    """Give most of the ward's patients a nurse."""
    carol.get_by_role("link", name="Nurses").click()
    for number, choices in enumerate(carol.locator(".choices").all()):
        if number % 5:
            choices.get_by_label("Carol" if number % 3 == 1 else "Amara").check()
    carol.get_by_role("button", name="Save this shift").click()


def wall(studio: Studio, ward: str) -> None:
    admin = studio.person("admin", ADMIN, 1280, 720)
    admin.goto("/admin/vitals/walldisplay/add/")
    admin.locator("[name=unit]").select_option(label=ward)
    admin.locator("[name=place]").fill("corridor")
    admin.locator("[name=_save]").click()
    said = admin.get_by_text("The code of this display").text_content() or ""
    screen = studio.window(1280, 720, is_dark=True)
    screen.goto("/hyperspace/wall/")
    screen.get_by_label("Code").fill(said.rpartition(" ")[2].strip())
    screen.get_by_role("button", name="Show the ward").click()
    expect(screen.locator(".wall")).to_be_visible()
    shoot(screen, "wall", 720)


def console(studio: Studio) -> None:
    from tests.builders import NINE, adt, oru, push  # noqa: PLC0415  they need the demo's settings

    now = int((datetime.now(UTC) - NINE).total_seconds() // 60)
    letters = [oru(f"E{number:07}", minutes=now, hr=78).replace(b"||78||", b"||78|PULSE|") for number in range(PULSES)]
    push(*letters, adt("A02", "E0001327", bed="", minutes=now), oru("E0001328", minutes=now, hr="fast"), b"hello")
    admin = studio.person("admin", ADMIN, 1280, 900)
    admin.goto("/admin/interconnect/failuregroup/")
    until(admin, f"{PULSES} open")
    shoot(admin, "console-triage", 860)
    hold(admin, [adt("A08", "E0001327", minutes=now), oru("E0001327", minutes=now)], push)


def hold(admin: Page, later: list[bytes], push: Callable[..., None]) -> None:
    """Hold what comes later for the patient of a letter, and have something come."""
    admin.goto("/admin/interconnect/deadletter/?message__message_type=ADT%5EA02")
    admin.locator("#result_list th a").first.click()
    admin.get_by_text("Hold later messages of this patient").click()
    admin.locator("details [name=reason]").fill("the ward was called about the bed")
    admin.get_by_role("button", name="Hold", exact=True).click()
    admin.wait_for_timeout(2000)  # a hold takes effect within half a second
    push(*later)
    until(admin, f"{len(later)} wait")
    shoot(admin, "console-hold", 1010)


def operations(studio: Studio) -> None:
    admin = studio.person("admin", ADMIN, 1280, 1240)
    with messages_in_flight():
        admin.goto("/admin/interconnect/batch/flow/")
        until(admin, "Came back unfinished")
        shoot(admin, "reconciliation", 1240)
    measure(admin)
    shoot(admin, "comparison", 1100)
    admin.goto("/admin/redis/cache/")
    shoot(admin, "redis", 1400)
    admin.goto("/admin/audit/questions/")
    admin.locator("[name=question]").select_option(label="What this person did")
    admin.locator("[name=subject]").fill("admin")
    admin.get_by_role("button", name="Show").click()
    expect(admin.get_by_role("heading", name="events")).to_be_visible()
    shoot(admin, "audit-questions", 1100)
    admin.goto("/admin/")
    shoot(admin, "operations", 1300)


def repair(studio: Studio) -> None:
    """Mend one letter, keep that as a repair, and apply it to all."""
    admin = studio.person("admin", ADMIN, 1440, 900)
    admin.goto("/admin/interconnect/failuregroup/")
    admin.get_by_role("link", name="This vital sign is not measured in that unit").click()
    admin.locator("[aria-keyshortcuts=o]").click()
    admin.get_by_role("link", name="Edit…").click()
    admin.get_by_label("OBX-6.1 Units").fill("/min")
    expect(admin.get_by_text("Rows that would change")).to_be_visible()
    admin.get_by_label("Why").fill("the monitor's name for the unit")
    admin.get_by_label("Keep as repair").fill("Unit of the pulse")
    shoot(admin, "console-editor")
    admin.get_by_role("button", name="Keep as revision").click()
    admin.set_viewport_size({"width": 1280, "height": 900})
    expect(admin.get_by_role("heading", name="The repair")).to_be_visible()
    shoot(admin, "console-repair", 900)
    admin.locator("[aria-keyshortcuts=a]").click()
    admin.get_by_label("Rate").fill("3")
    admin.get_by_role("button", name=f"Redrive {PULSES} messages").click()
    expect(admin.get_by_text(re.compile(rf"2\d of {PULSES} finished"))).to_be_visible(timeout=SECONDS)
    shoot(admin, "redrive", 680)


def measure(admin: Page) -> None:
    """Compare a ward's reads, once more where a reading came in between them."""
    admin.goto("/admin/vitals/comparisonrun/")
    while not admin.get_by_text("samples of each side").count():
        admin.locator("[name=shape]").select_option(label="Ward of 32: ORM bed by bed, one MGET")
        admin.get_by_label("Samples").fill("20")
        with admin.expect_navigation():
            admin.get_by_role("button", name="Measure").click()


@contextmanager
def messages_in_flight() -> Iterator[None]:
    """Have the worker wait for the table of batches: what it claims stays in flight."""
    with psycopg.connect(os.environ["EPICOPS_DATABASE_URL"]) as connection:
        connection.execute("LOCK TABLE interconnect_batch IN SHARE MODE")
        yield


def until(page: Page, text: str) -> None:
    """Load the page again until it says so."""
    deadline = time.monotonic() + SECONDS / 1000
    while not page.get_by_text(text).count():
        assert time.monotonic() < deadline, f"{page.url} never says {text!r}"
        page.wait_for_timeout(500)
        page.reload()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="epicops-images-") as root:
        demo = Demo(Path(root), [])
        try:
            demo_starts(demo)
            django.setup()
            from tests.conftest import CHROMIUM, QUIET  # noqa: PLC0415  it needs the demo's settings

            with sync_playwright() as playwright:
                flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", *QUIET]
                studio = Studio(demo, playwright.chromium.launch(executable_path=CHROMIUM, args=flags))
                time.sleep(20)  # until the hospital has been measured a few times
                for scene in (portals, console, operations, repair):
                    scene(studio)
        finally:
            demo.stop()


if __name__ == "__main__":
    main()
