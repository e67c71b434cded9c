"""The console's rows and menu are the stock admin's: only quicker to make."""

import re
from collections.abc import Callable

import pytest
from django.contrib.admin.templatetags.admin_list import items_for_result
from django.contrib.auth.models import Group, Permission
from django.template.loader import render_to_string
from django.test import Client
from pytest_django.asserts import assertHTMLEqual

from audit.models import AuditEvent
from epicops.admin_menu import menu
from sessions_app.models import BreakGlass, SessionRecord, User
from tests import factories, operators

pytestmark = pytest.mark.django_db

SESSIONS = "/admin/sessions_app/sessionrecord/"


@pytest.fixture
def hospital(client: Client) -> None:
    client.force_login(operators.root())
    hostile = factories.person("<b>&", ward="<A>")
    factories.signed_in(Client(), hostile)
    Group.objects.create(name="<i>")
    BreakGlass.objects.create(user=hostile, reason="cover", explanation="  ", until="2026-11-23T12:00Z")
    AuditEvent.objects.record("E", "sessions.fallback", actor="<sessions>")
    factories.observe(factories.admit(factories.bed(), "O'Neill"), hr=78)


@pytest.mark.parametrize(
    "address",
    [
        SESSIONS,
        f"{SESSIONS}?portal=Hyperspace&state=all",
        "/admin/sessions_app/breakglass/",
        "/admin/audit/auditevent/",
        "/admin/vitals/bed/?q=bed",
        "/admin/vitals/stay/",
        "/admin/vitals/observation/",
        "/admin/vitals/unit/",
        "/admin/auth/group/",
        "/admin/sessions_app/user/?o=2.-6",
    ],
)
def test_a_list_has_the_rows_of_the_stock_tag_with_the_names_of_their_columns(
    hospital: None, client: Client, address: str
) -> None:
    changes = client.get(address).context["cl"]

    stock = ["".join(items_for_result(changes, record, None)) for record in changes.result_list]
    assert len(stock) > 0
    assert re.sub(' data-label="[^"]+"', "", changes.quick_rows) == "\n".join(f"<tr>{row}</tr>" for row in stock)
    assert changes.quick_rows.count("<td") == changes.quick_rows.count("data-label") + changes.quick_rows.count(
        "-checkbox"
    )


def test_a_row_in_a_pop_up_can_be_chosen(hospital: None, client: Client) -> None:
    page = client.get(f"{SESSIONS}?_popup=1").content.decode()

    assert f'data-popup-opener="{SessionRecord.objects.get(portal="Hyperspace").pk}"' in page


def test_everybody_has_the_menu_of_their_own_permissions(client: Client) -> None:
    olu, people = operators.staff("olu", "view_deadletter"), "/admin/sessions_app/user/"
    client.force_login(operators.root())
    assert people in client.get("/admin/").content.decode()

    client.force_login(olu)
    assert people not in client.get("/admin/").content.decode()

    olu.user_permissions.add(Permission.objects.get(codename="view_user"))
    assert people in client.get("/admin/").content.decode()


@pytest.mark.parametrize("make", [operators.root, operators.olu])
@pytest.mark.parametrize("path", [SESSIONS, "/admin/audit/auditevent/1/change/", "/admin/"])
def test_the_menu_is_the_stock_one(client: Client, make: Callable[[], User], path: str) -> None:
    client.force_login(make())
    context = client.get("/admin/").context
    apps, request = context["available_apps"], context["request"]
    request.path = path

    stock = render_to_string("admin/app_list.html", {"app_list": apps, "show_changelinks": False, "request": request})
    assert len(apps) > 0
    assertHTMLEqual(menu(apps, path), stock)
