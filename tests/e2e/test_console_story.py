"""A bad code fails two hundred messages; one person with a keyboard repairs one, then all of them."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from audit.models import AuditEvent
from interconnect.models import DeadLetter, InboundMessage
from tests.builders import drain, oru, push
from tests.e2e.test_admin import faults_of
from tests.factories import PASSWORD
from tests.operators import staff
from tests.processes import ManageProcess
from vitals.models import Observation, Patient

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MESSAGES = 200


def tab_to(page: Page, wanted: Locator) -> None:
    """Go to the control as somebody without a mouse does."""
    for _ in range(100):
        if wanted.evaluate("control => control === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("not reached with Tab")


def press(page: Page, button: str) -> None:
    tab_to(page, page.get_by_role("button", name=button))
    page.keyboard.press("Enter")


def fill(page: Page, *texts: str) -> None:
    """Type these into the control in focus and those after it."""
    for number, text in enumerate(texts):
        if number:
            page.keyboard.press("Tab")
        page.keyboard.type(text)


def faults(page: Page, complaints: list[str]) -> list[str]:
    """What is wrong with the page; focus stays where it was."""
    found = [*complaints, *faults_of(page)]
    complaints.clear()  # axe itself adds to them
    return found


def test_two_hundred_failures_are_repaired_with_the_keyboard_alone(
    page: Page, live_server: LiveServer, complaints: list[str], manage: Callable[..., ManageProcess]
) -> None:
    push(*(oru(str(number), hr=60).replace(b"||60||", b"||60|PULSE|") for number in range(MESSAGES)))
    drain()
    staff("sam").groups.add(Group.objects.get(name="Interconnect supervisor"))
    found = {}

    page.goto(live_server.url + reverse("admin:interconnect_failuregroup_changelist"))
    fill(page, "sam", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"{MESSAGES} open")).to_be_visible()
    found["triage"] = faults(page, complaints)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="This vital sign is not measured in that unit")).to_be_visible()
    found["failure"] = faults(page, complaints)
    page.keyboard.press("o")
    expect(page.get_by_text("fails here")).to_be_visible()
    found["letter"] = faults(page, complaints)
    page.keyboard.press("e")
    expect(page.get_by_label("OBX-6.1 Units")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("/min")
    expect(page.get_by_text("Rows that would change")).to_be_visible()
    found["editor"] = faults(page, complaints)
    tab_to(page, page.get_by_label("Why"))
    fill(page, "the monitor's name for the unit", "Unit of the pulse")
    press(page, "Keep as revision")
    expect(page.get_by_role("heading", name="The repair")).to_be_visible()
    found["repair"] = faults(page, complaints)
    page.keyboard.press("a")
    expect(page.get_by_text("Make the repair “Unit of the pulse” on 200 messages")).to_be_visible()
    tab_to(page, page.get_by_label("Rate"))
    page.keyboard.type("1000")
    found["confirmation"] = faults(page, complaints)
    press(page, f"Redrive {MESSAGES} messages")
    manage("consume_interconnect").wait_for("queue owned", 60)
    expect(page.get_by_role("heading", name=f"{MESSAGES} of {MESSAGES} finished")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()  # the page has loaded itself again
    found["redrive"] = faults(page, complaints)

    assert not {name: fault for name, fault in found.items() if fault}
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {"resolved"}
    assert Observation.objects.count() == MESSAGES
    page.goto(
        live_server.url + reverse("admin:interconnect_timeline", args=["patient", Patient.objects.latest("pk").pk])
    )
    expect(page.get_by_text("edited by sam")).to_be_visible()
    acts = set(AuditEvent.objects.filter(actor="sam").values_list("code", flat=True))
    assert acts >= {"message.view", "message.edit", "repair.keep", "repair.preview", "redrive.start", "message.repair"}
    assert AuditEvent.objects.filter(code="message.applied").count() == MESSAGES
    assert InboundMessage.objects.filter(replay_of=None).count() == MESSAGES
