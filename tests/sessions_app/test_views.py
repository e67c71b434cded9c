"""Coming in and going out of Hyperspace."""

import pytest
from django.conf import settings
from django.test import Client

from audit.models import AuditEvent
from epicops import keys
from epicops.portal import HYPERSPACE, MYCHART, OPERATIONS
from epicops.redis_client import sessions_client
from sessions_app.models import User
from tests import factories
from tests.factories import session_id

pytestmark = pytest.mark.django_db

LOGIN = "/hyperspace/login/"


def sign_in(client: Client, username: str = "amara", password: str = factories.PASSWORD, **more: str) -> str:
    """Post the login form and return where it leads, empty when it is shown again."""
    response = client.post(LOGIN, {"username": username, "password": password, **more})
    return response.headers.get("Location", "")


def codes() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("code", flat=True))


def test_a_nurse_signs_in_and_redis_shows_the_role(client: Client) -> None:
    factories.amara()

    assert sign_in(client) == "/hyperspace/"

    shown = sessions_client().hmget(keys.session(session_id(client)), "role", "department", "portal")
    assert shown == [b"nurse", b"medicine", b"Hyperspace"]


def test_signing_in_gives_the_session_a_new_id(client: Client) -> None:
    factories.amara()
    sign_in(client)
    first = session_id(client)

    sign_in(client)

    assert session_id(client) != first
    assert not sessions_client().exists(keys.session(first))


def test_the_session_cookie_is_kept_from_scripts_and_ends_with_the_browser(client: Client) -> None:
    factories.amara()
    sign_in(client)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]

    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["max-age"]


def test_after_signing_in_one_is_back_on_the_page_one_came_for(client: Client) -> None:
    factories.amara()

    assert sign_in(client, next="/hyperspace/beds/bed427/") == "/hyperspace/beds/bed427/"


def test_nobody_is_sent_to_another_site(client: Client) -> None:
    factories.amara()

    assert sign_in(client, next="https://elsewhere.example/") == "/hyperspace/"


def test_an_ended_session_is_explained(client: Client) -> None:
    factories.signed_in(client, factories.amara())
    sessions_client().delete(keys.session(session_id(client)))

    response = client.get("/hyperspace/", follow=True)

    assert response.redirect_chain == [("/hyperspace/login/?next=/hyperspace/", 302)]
    assert "Your session has ended" in response.content.decode()


def test_a_form_that_an_ended_session_did_not_save_is_named(client: Client) -> None:
    factories.signed_in(client, factories.amara())
    sessions_client().delete(keys.session(session_id(client)))

    response = client.post("/hyperspace/break-glass/", {"reason": "emergency"}, follow=True)

    assert "What you sent last was not saved" in response.content.decode()


def test_a_wrong_password_is_refused_and_recorded_under_the_account(client: Client) -> None:
    amara = factories.amara()

    assert sign_in(client, password="wrong") == ""

    event = AuditEvent.objects.get(code="session.login_failed")
    assert (event.actor, event.object_type, event.object_id) == ("anonymous", "user", str(amara.pk))


@pytest.mark.parametrize("name", ["my secret password", "a\0b", ""])
def test_a_name_that_is_none_is_not_recorded(client: Client, name: str) -> None:
    sign_in(client, username=name)

    event = AuditEvent.objects.get(code="session.login_failed")
    assert (event.actor, event.object_id, event.detail) == ("anonymous", "", {})


def test_an_operator_has_another_entrance(client: Client) -> None:
    factories.olu()

    response = client.post(LOGIN, {"username": "olu", "password": factories.PASSWORD})

    assert "for clinical staff" in response.content.decode()
    assert settings.SESSION_COOKIE_NAME not in client.cookies


def test_a_session_of_another_portal_is_refused(client: Client) -> None:
    factories.signed_in(client, factories.amara(), portal="MyChart")

    assert client.get("/hyperspace/").status_code == 403


def test_a_session_whose_role_is_not_clinical_is_refused(client: Client) -> None:
    factories.signed_in(client, factories.olu())

    assert client.get("/hyperspace/").status_code == 403


def test_a_disabled_account_is_signed_out_at_the_next_page(client: Client) -> None:
    factories.signed_in(client, factories.amara())
    User.objects.update(is_active=False)

    assert client.get("/hyperspace/").status_code == 302


def test_signing_out_ends_the_session_in_redis(client: Client) -> None:
    factories.amara()
    sign_in(client)
    ended = session_id(client)

    response = client.post("/hyperspace/logout/", follow=True)

    assert "You have signed out." in response.content.decode()
    assert not sessions_client().exists(keys.session(ended))
    assert codes() == ["session.login", "session.logout"]


def test_signing_out_takes_a_post(client: Client) -> None:
    assert client.get("/hyperspace/logout/").status_code == 405


def test_pages_are_not_kept_by_the_browser(client: Client) -> None:
    assert "no-store" in client.get(LOGIN)["Cache-Control"]


@pytest.mark.parametrize(
    ("role", "portal", "pages"),
    [
        (User.Role.NURSE, HYPERSPACE, "/hyperspace/"),
        (User.Role.PATIENT, MYCHART, "/mychart/"),
        (User.Role.OPERATOR, OPERATIONS, "/admin/"),
        (User.Role.NURSE, "", "/hyperspace/"),
    ],
)
def test_the_front_door_leads_everybody_to_their_own_pages(role: User.Role, portal: str, pages: str) -> None:
    client = factories.signed_in(Client(), factories.person("somebody", role), portal) if portal else Client()

    assert client.get("/").headers["Location"] == pages
