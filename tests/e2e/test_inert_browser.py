"""A hostile message in a real browser: no page runs, loads or obeys anything of it."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from epicops import keys
from epicops.redis_client import queue_client
from interconnect.consumer.queue import uuid7
from interconnect.models import DeadLetter, Pause, Redrive
from tests.e2e.test_admin import sign_in
from tests.interconnect.test_inert import HOSTILE, NASTY
from tests.interconnect.test_roles import address, furnish
from tests.operators import root

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGES = (
    "failuregroup_changelist",
    "failuregroup_change",
    "deadletter_changelist",
    "deadletter_change",
    "inboundmessage_changelist",
    "inboundmessage_change",
    "timeline",
    "redrive_change",
    "repair_change",
    "refusedframe_change",
    "pause_changelist",
    "feed_change",
    "batch_flow",
)


@pytest.fixture
def obeyed(page: Page) -> list[str]:
    """What the browser did that no page of ours asks for: dialogs, errors, refused content, foreign requests."""
    found: list[str] = []

    def dismiss(dialog: object) -> None:
        found.append("a dialog")
        dialog.dismiss()  # type: ignore[attr-defined]  # else the page waits for it

    page.on("dialog", dismiss)
    page.on("console", lambda message: found.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("request", lambda asked: None if "//localhost" in asked.url else found.append(asked.url))
    return found


@pytest.fixture
def operator(page: Page, live_server: LiveServer) -> Page:
    """Signed in beside everything that one hostile message can leave behind."""
    furnish(HOSTILE, edited=HOSTILE.replace(b"1961", b"1962") + f"\rZZ2|{NASTY}".encode())
    letter, administrator = DeadLetter.objects.get(), root()
    until = timezone.now() + timedelta(hours=1)
    Pause.objects.update(scope="patient", message=letter.message, reason=NASTY[:200], until=until)
    Redrive.objects.get().items.create(letter=letter)
    queue_client().rpush(keys.INFLIGHT, str(uuid7()), HOSTILE)
    sign_in(page, live_server, administrator)
    return page


def test_no_page_of_the_console_obeys_a_message(operator: Page, live_server: LiveServer, obeyed: list[str]) -> None:
    for name in PAGES:
        operator.goto(live_server.url + address(name))
        obeyed += [f"{name}: {fault}" for fault in planted(operator)]

    assert obeyed == []


def test_the_editor_and_its_difference_obey_nothing_that_is_typed(
    operator: Page, live_server: LiveServer, obeyed: list[str]
) -> None:
    operator.goto(live_server.url + address("deadletter_edit"))
    operator.get_by_role("button", name="Edit as text").click()
    typed = operator.get_by_label("One segment a line")
    typed.fill(typed.input_value() + f"\nZZ3|{NASTY}")
    expect(operator.get_by_text("ZZ3[1], added")).to_be_visible()

    assert [*obeyed, *planted(operator)] == []


def test_exports_and_reports_are_saved_and_never_shown(
    operator: Page, live_server: LiveServer, obeyed: list[str], tmp_path: Path
) -> None:
    operator.goto(live_server.url + reverse("admin:interconnect_deadletter_changelist"))
    for form in ("csv", "json", "hl7"):
        operator.check("[name=_selected_action]")
        operator.select_option("[name=action]", f"export_{form}")
        with operator.expect_download() as saved:
            operator.click("button[name=index]")
        saved.value.save_as(tmp_path / form)
    operator.goto(live_server.url + address("redrive_change"))
    with operator.expect_download() as report:
        operator.get_by_role("link", name="what became of each letter").click()

    assert report.value.suggested_filename.endswith(".csv")
    assert (tmp_path / "hl7").stat().st_size > len(HOSTILE)
    assert [*obeyed, *planted(operator)] == []


def planted(page: Page) -> list[str]:
    """What of the message became an element or an address of the page."""
    found: list[str] = page.evaluate("""() => [...document.querySelectorAll(
        "img[src=x], [onerror], [onload], a[href^='javascript:'], script:not([src])")].map((one) => one.outerHTML)""")
    return found
