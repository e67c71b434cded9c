"""The operators' admin in a browser: one dead letter's way, and every page of ours under the strict policy."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from audit.models import AuditEvent
from epicops import keys
from epicops.redis_client import queue_client
from interconnect.consumer import lanes
from interconnect.consumer.pausing import pause
from interconnect.consumer.queue import uuid7
from interconnect.dlq.discard import discard
from interconnect.dlq.redrive import start
from interconnect.models import (
    DeadLetter,
    Discard,
    FailureGroup,
    Feed,
    FeedSequence,
    InboundMessage,
    Pause,
    Redrive,
    RefusedFrame,
)
from interconnect.wire.refused import Refusal, RefusalLog
from sessions_app.models import User
from tests.builders import adt, drain, oru, push
from tests.factories import PASSWORD
from tests.operators import olu, root
from tests.processes import ManageProcess
from vitals.models import Patient, Unit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STOCK_FAULT = "search-label-icon"  # Django's SelectFilter2.js gives a span without a role a name
WCAG = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],  # to describe what passes takes axe most of its time
}
FRAME = [["#header"], ["#nav-sidebar"]]  # alike on all pages
CONTRAST = WCAG | {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser objects to: refused content, failing scripts, requests to anywhere else."""
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: None if "//localhost" in request.url else heard.append(request.url))
    return heard


def sign_in(page: Page, server: LiveServer, user: User) -> None:
    page.goto(server.url + reverse("admin:index"))
    page.fill("[name=username]", user.username)
    page.fill("[name=password]", PASSWORD)
    page.click("[type=submit]")


def test_an_operator_replays_a_dead_letter_and_sees_the_outcome(
    page: Page, live_server: LiveServer, manage: Callable[..., ManageProcess]
) -> None:
    push(adt("A01", bed=""), adt("A01", "2", bed=""))
    drain()
    sign_in(page, live_server, olu())

    page.get_by_role("link", name="2 open dead letters", exact=True).click()
    page.get_by_label("Select all objects on this page").check()
    page.locator("select[name=action]").select_option("Replay selected")
    page.get_by_role("button", name="Go").click()
    page.get_by_role("button", name="Replay 2 messages").click()
    expect(page.get_by_text("2 queued for replay.")).to_be_visible()
    assert manage("consume_interconnect", "--drain").wait() == 0
    page.get_by_role("link", name="See what becomes of it").click()

    expect(page.get_by_text("Replayed, failed again", exact=True)).to_have_count(2)
    page.get_by_role("link", name=f"ADT^A01 #{InboundMessage.objects.latest('pk').pk}").click()
    expect(page.get_by_text("olu asked for a replay")).to_be_visible()


PAGES: dict[str, Callable[[], str]] = {
    "index": lambda: reverse("admin:index"),
    "messages": lambda: reverse("admin:interconnect_inboundmessage_changelist"),
    "message": lambda: row_url(InboundMessage.objects.filter(status="applied").latest("pk")),
    "compare": lambda: reverse(
        "admin:interconnect_inboundmessage_compare", args=[*InboundMessage.objects.values_list("pk", flat=True)[:2]]
    ),
    "no text": lambda: row_url(InboundMessage.objects.get(dead_letter__error_class="not-hl7")),
    "dead letters": lambda: reverse("admin:interconnect_deadletter_changelist") + "?state=all",
    "dead letter": lambda: row_url(DeadLetter.objects.filter(error_class="missing-field").latest("pk")),
    "failures": lambda: reverse("admin:interconnect_failuregroup_changelist"),
    "failure": lambda: row_url(FailureGroup.objects.latest("pk")),
    "discards": lambda: reverse("admin:interconnect_discard_changelist"),
    "discard": lambda: row_url(Discard.objects.get()),
    "redrives": lambda: reverse("admin:interconnect_redrive_changelist"),
    "redrive": lambda: row_url(Redrive.objects.get()),
    "batches": lambda: reverse("admin:interconnect_batch_changelist"),
    "in flight": lambda: reverse("admin:interconnect_batch_flow"),
    "pauses": lambda: reverse("admin:interconnect_pause_changelist"),
    "pause": lambda: row_url(Pause.objects.get()),
    "timeline": lambda: reverse("admin:interconnect_timeline", args=["patient", Patient.objects.get().pk]),
    "feeds": lambda: reverse("admin:interconnect_feed_changelist"),
    "feed": lambda: row_url(Feed.objects.latest("messages")),
    "refused frames": lambda: reverse("admin:interconnect_refusedframe_changelist"),
    "refused frame": lambda: row_url(RefusedFrame.objects.get()),
    "events": lambda: reverse("admin:audit_auditevent_changelist"),
    "event": lambda: row_url(AuditEvent.objects.latest("pk")),
    "users": lambda: reverse("admin:sessions_app_user_changelist"),
    "unit": lambda: row_url(Unit.objects.get()),
    "patients": lambda: reverse("admin:vitals_patient_changelist"),
    "patient": lambda: row_url(Patient.objects.get()),
    "observations": lambda: reverse("admin:vitals_observation_changelist"),
}


def row_url(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def test_every_page_is_accessible_fits_a_phone_and_obeys_the_policy(
    page: Page, live_server: LiveServer, complaints: list[str]
) -> None:
    push(
        adt("A01"), oru(hr=78, sbp=120, dbp=80), adt("A60"), adt("A01", "2", bed=""), oru(hr="fast"), bytes(range(256))
    )
    drain()
    administrator = root()
    refusals = RefusalLog()
    refusals.add(Refusal("prose", 5, b"hello"), "10.0.0.9")
    refusals.flush()
    discard(DeadLetter.objects.filter(error_class="not-a-number"), by=administrator, reason="test", text="from a test")
    start(Redrive(started_by=administrator, state=Redrive.State.PAUSED), DeadLetter.objects.all())
    queue_client().rpush(keys.INFLIGHT, str(uuid7()), adt("A02"))
    lanes.set_current(queue_client(), 2)
    held = DeadLetter.objects.get(error_class="missing-field").message
    until = timezone.now() + timedelta(hours=1)
    pause(Pause(scope="patient", message=held, reason="test", until=until), by=administrator)
    gaps = [[1, 2, 1_700_000_000], [5, 9, 1_700_000_000]]
    FeedSequence.objects.create(feed=Feed.objects.latest("messages"), judged=100, in_step=100, gaps=gaps, last=12)
    sign_in(page, live_server, administrator)

    faults = {}
    for name, address in PAGES.items():
        page.goto(live_server.url + address())
        faults[name] = [*complaints, *faults_of(page, but=[] if name in ("index", "messages") else FRAME)]
        complaints.clear()  # axe itself adds to them

    assert not {name: found for name, found in faults.items() if found}


def faults_of(page: Page, but: Sequence[list[str]] = ()) -> list[str]:
    nodes = [(fault["id"], node["html"]) for fault in violations(page, but) for node in fault["nodes"]]
    found = [f"{rule}: {html}" for rule, html in nodes if STOCK_FAULT not in html]
    page.set_viewport_size({"width": 390, "height": 844})
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        found.append("wider than a phone")
    page.set_viewport_size({"width": 1280, "height": 800})
    return found


def violations(page: Page, but: Sequence[list[str]]) -> list[dict[str, list[dict[str, str]]]]:
    """What axe finds, `but` in these elements, in light colours, and in dark ones, which alone differ, of contrast."""
    page.evaluate(Axe().axe_script)
    run = "([where, how]) => axe.run(where, how).then((found) => found.violations)"
    found: list[dict[str, list[dict[str, str]]]] = page.evaluate(run, [{"exclude": but}, WCAG])
    page.emulate_media(color_scheme="dark")
    page.evaluate("Promise.allSettled(document.getAnimations().map((animation) => animation.finished))")
    found += page.evaluate(run, [{"exclude": but}, CONTRAST])
    page.emulate_media(color_scheme="light")
    return found


def test_a_letter_is_edited_with_the_keyboard_and_checked_while_typing(
    page: Page, live_server: LiveServer, complaints: list[str]
) -> None:
    push(adt("A01", bed=""))
    drain()
    sign_in(page, live_server, root())
    page.goto(live_server.url + row_url(DeadLetter.objects.get()))
    page.get_by_role("link", name="Edit…").focus()
    page.keyboard.press("Enter")
    bed = page.get_by_label("PV1-3.1 Assigned Patient Location")
    expect(bed).to_be_focused()

    page.keyboard.type("MED")
    expect(page.get_by_text("Rows that would change")).to_be_visible()
    assert faults_of(page) == complaints == []
    page.get_by_label("Why").fill("bed from the ward")
    page.get_by_role("button", name="Keep as revision").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_text("A replay delivers this.")).to_be_visible()


def test_a_redrives_page_keeps_itself_current(
    page: Page, live_server: LiveServer, manage: Callable[..., ManageProcess]
) -> None:
    push(adt("A01", bed=""), adt("A01", "2", bed=""))
    drain()
    administrator = root()
    redrive = start(Redrive(started_by=administrator, stop_percent=100), DeadLetter.objects.all())
    sign_in(page, live_server, administrator)
    page.goto(live_server.url + row_url(redrive))
    expect(page.get_by_text("0 of 2 finished")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()

    manage("consume_interconnect")

    expect(page.get_by_text("2 of 2 finished")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Not updating")).to_be_hidden()
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()  # there is nothing left to pause
