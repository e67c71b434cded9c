"""The operations pages in a browser: accessible, within a phone, under the strict policy, by keyboard, up to date."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_redis import get_redis_connection
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from epicops import keys
from epicops.redis_client import sessions_client
from monitoring.models import Alert, AlertRule, Sample
from tests.builders import adt, drain, oru, push
from tests.e2e.test_admin import FRAME, faults_of, sign_in
from tests.operators import olu, root

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DOCUMENT = '{"hr":78,"at":{"hr":1767135600},"encounter":17}'
PAGES: dict[str, Callable[[], str]] = {
    "index": lambda: reverse("admin:index"),
    "alerts": lambda: reverse("admin:monitoring_alert_changelist"),
    "rules": lambda: reverse("admin:monitoring_alertrule_changelist"),
    "rule": lambda: reverse("admin:monitoring_alertrule_change", args=[AlertRule.objects.get().pk]),
    "questions": lambda: reverse("audit_questions"),
    "answer": lambda: f"{reverse('audit_questions')}?question=person&subject=root&{days()}",
    "redis": lambda: reverse("redis_server", args=["cache"]),
    "second factor": lambda: reverse("second_factor"),
}


def days() -> str:
    return f"since={timezone.localdate()}&until={timezone.localdate()}"


@pytest.fixture
def _a_busy_night() -> None:
    """A day of samples, sessions in Redis, dead letters, an alert."""
    push(adt("A01"), oru(hr=78), adt("A01", "2", bed=""), adt("A60"), adt("A01", "3", bed=""))
    drain()
    for number in range(60):
        key = keys.session(f"{number:032}")
        sessions_client().hset(key, "user_id", number)
        sessions_client().pexpire(key, 1_800_000 - number * number * 400)
    get_redis_connection("default").set(keys.vitals("bed427"), DOCUMENT)
    now = timezone.now()
    totals = {"skipped": 9, "dead": 2, "open_dead_letters": 2, "last_message_id": 0}
    Sample.objects.bulk_create(
        Sample(at=now - timedelta(minutes=minute), waiting=minute % 97, applied=9_000 - 6 * minute, **totals)
        for minute in range(1, 1_400)
    )
    AlertRule.objects.all().delete()
    call_command("run_monitor", once=True)
    rule = AlertRule.objects.create(name="Backlog old", metric="epicops_queue_depth", threshold=1, severity="critical")
    Alert.objects.create(rule=rule, label="waiting", value=90, began_at=now, raised_at=now, last_met_at=now)


@pytest.mark.usefixtures("_a_busy_night")
def test_every_page_is_accessible_fits_a_phone_and_obeys_the_policy(
    page: Page, live_server: LiveServer, complaints: list[str]
) -> None:
    sign_in(page, live_server, root())

    faults = {}
    for name, address in PAGES.items():
        page.goto(live_server.url + address())
        faults[name] = [*complaints, *faults_of(page, but=[] if name == "index" else FRAME)]
        complaints.clear()  # axe itself adds to them
    page.goto(live_server.url + PAGES["redis"]())
    page.get_by_label("Key:").fill(keys.vitals("bed427"))
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_label("Value:")).to_have_value(DOCUMENT)
    faults["key"] = [*complaints, *faults_of(page)]

    assert not {name: found for name, found in faults.items() if found}


@pytest.mark.usefixtures("_a_busy_night")
def test_the_page_stays_current_and_says_when_it_does_not(page: Page, live_server: LiveServer) -> None:
    sign_in(page, live_server, olu())
    expect(page.get_by_text("Not updating")).to_be_hidden()

    push(*(oru(minutes=minute) for minute in range(7)))
    expect(page.locator("dt", has_text="Waiting in queue").locator("+ dd")).to_have_text("7")
    page.route("**/operations/now", lambda route: route.abort())

    expect(page.get_by_text("Not updating. What you see may have changed.")).to_be_visible()


@pytest.mark.usefixtures("_a_busy_night")
def test_from_a_number_to_its_list_by_keyboard(page: Page, live_server: LiveServer) -> None:
    sign_in(page, live_server, olu())

    page.get_by_role("link", name="2 open dead letters of failure").focus()
    page.keyboard.press("Enter")

    expect(page.locator("#result_list tbody tr")).to_have_count(2)


def test_a_second_factor_is_switched_on_and_then_asked_for(page: Page, live_server: LiveServer) -> None:
    user = olu()
    sign_in(page, live_server, user)
    page.get_by_role("link", name="Second factor").click()
    page.get_by_label("Code:").fill(f"{totp(TOTPDevice.objects.get().bin_key):06}")
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_text("Keep these recovery codes")).to_be_visible()
    recovery = page.locator(".codes code").first.inner_text()
    page.get_by_role("button", name="Log out").click()

    sign_in(page, live_server, user)
    expect(page.get_by_text("Enter the present code")).to_be_visible()
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_label("Code").fill(recovery)
    page.get_by_role("button", name="Log in").click()

    expect(page.get_by_role("heading", name="Operations")).to_be_visible()
