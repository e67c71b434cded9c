"""The lists of messages in a browser."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.builders import adt, drain, oru, push
from tests.e2e.test_admin import faults_of, sign_in
from tests.operators import olu, root

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MESSAGES = reverse("admin:interconnect_inboundmessage_changelist")


def test_the_wrong_word_of_a_search_is_selected_to_be_typed_anew(
    page: Page, live_server: LiveServer, complaints: list[str]
) -> None:
    push(adt("A01"), adt("A03"))
    drain()
    sign_in(page, live_server, olu())
    page.goto(live_server.url + MESSAGES)
    page.keyboard.press("/")
    page.keyboard.type("type:ADT^A01 status:aplied")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("status: cannot be aplied. There are applied,")
    assert [*complaints, *faults_of(page)] == []

    page.keyboard.type("applied")
    page.keyboard.press("Enter")

    expect(page.get_by_text("1 inbound message", exact=True)).to_be_visible()
    expect(page.get_by_label("Search", exact=True)).to_have_value("type:ADT^A01 status:applied")


def test_a_followed_list_shows_what_comes_and_rests_while_a_row_is_in_use(
    page: Page, live_server: LiveServer, complaints: list[str]
) -> None:
    push(adt("A01"))
    drain()
    sign_in(page, live_server, olu())
    page.goto(f"{live_server.url}{MESSAGES}?message_type=ADT%5EA01")
    rows = page.locator("#result_list tbody tr")

    page.keyboard.press("f")
    expect(page.get_by_text("Following", exact=True)).to_be_visible()
    push(adt("A01", "2"), oru())
    drain()
    expect(rows).to_have_count(2)  # the filter holds
    rows.first.get_by_role("checkbox").check()
    expect(page.get_by_text("1 of 2 selected")).to_be_visible()
    expect(page.get_by_text("Paused: a row is selected")).to_be_visible()
    assert [*complaints, *faults_of(page)] == []
    push(adt("A01", "3"))
    drain()
    page.wait_for_timeout(2500)  # longer than data-interval
    expect(rows).to_have_count(2)

    rows.first.get_by_role("checkbox").uncheck()
    page.get_by_label("Search", exact=True).focus()

    expect(rows).to_have_count(3)
    page.get_by_label("Select all objects on this page").check()
    expect(page.get_by_text("3 of 3 selected")).to_be_visible()
    page.context.clear_cookies()  # the session is over
    page.get_by_label("Select all objects on this page").uncheck()
    page.get_by_label("Search", exact=True).focus()
    expect(page.get_by_label("Username")).to_be_visible()


@pytest.mark.parametrize(
    ("model", "column"),
    [
        ("interconnect_inboundmessage", "message"),
        ("interconnect_failuregroup", "message"),
        ("audit_auditevent", "object type"),
        ("sessions_app_user", "last login"),
    ],
)
def test_rows_are_cards_on_a_phone(page: Page, live_server: LiveServer, model: str, column: str) -> None:
    push(adt("A01", bed="").replace(b"|P|", b"9" * 60 + b"|P|"))
    drain()
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, live_server, root())

    page.goto(live_server.url + reverse(f"admin:{model}_changelist"))

    assert page.locator(".results").evaluate("list => list.scrollWidth <= list.clientWidth")
    cells = [cell.bounding_box() for cell in page.locator("#result_list tbody td").all()]
    assert all(box and box["x"] + box["width"] <= 390 for box in cells)
    expect(page.get_by_role("columnheader", name=column)).to_be_attached()  # still a table to a screen reader
