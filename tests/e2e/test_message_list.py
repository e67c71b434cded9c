"""The lists of messages in a browser."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.builders import adt, drain, push
from tests.e2e.test_admin import faults_of, sign_in
from tests.operators import olu

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
