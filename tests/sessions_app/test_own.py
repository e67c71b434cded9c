"""What people do about sessions of their own, in both portals."""

import pytest
from django.test import Client

from audit.models import AuditEvent
from epicops import keys
from epicops.portal import HYPERSPACE, MYCHART
from epicops.redis_client import sessions_client
from sessions_app.ids import handle
from sessions_app.models import SessionRecord, User
from tests import factories
from tests.factories import session_id

pytestmark = pytest.mark.django_db(transaction=True)

OWN = {HYPERSPACE: "/hyperspace/sessions/", MYCHART: "/mychart/sessions/"}


def pat() -> User:
    return factories.person("pat", User.Role.PATIENT)


def test_a_patient_signs_in_at_mychart_and_nowhere_else(client: Client) -> None:
    credentials = {"username": pat().username, "password": factories.PASSWORD}

    refused = client.post("/hyperspace/login/", credentials)
    entered = client.post("/mychart/login/", credentials)

    assert "for clinical staff" in refused.content.decode()
    assert entered.headers["Location"] == "/mychart/"
    assert sessions_client().hmget(keys.session(session_id(client)), "role", "portal") == [b"patient", b"MyChart"]
    assert client.get("/hyperspace/").status_code == 403


def test_a_clinician_does_not_enter_mychart(client: Client) -> None:
    factories.amara()

    response = client.post("/mychart/login/", {"username": "amara", "password": factories.PASSWORD})

    assert "for patients" in response.content.decode()


def test_a_patient_without_a_session_is_led_to_mychart_and_signs_out_there(client: Client) -> None:
    stranger = client.get(OWN[MYCHART])
    factories.signed_in(client, pat(), MYCHART)

    assert stranger.headers["Location"] == f"/mychart/login/?next={OWN[MYCHART]}"
    assert client.post("/mychart/logout/").headers["Location"] == "/mychart/login/"


@pytest.mark.parametrize(("portal", "person"), [(HYPERSPACE, factories.amara), (MYCHART, pat)])
def test_the_password_ends_a_session_elsewhere_and_only_that(portal: str, person: object) -> None:
    user = person()  # type: ignore[operator]
    here, there, third = (factories.signed_in(Client(), user, portal) for _ in range(3))
    form = {"sessions": [handle(session_id(there))], "password": factories.PASSWORD}

    refused = here.post(OWN[portal], form | {"password": "wrong"})
    ended = here.post(OWN[portal], form)

    assert (refused.status_code, ended.status_code) == (200, 302)
    assert [client.get(OWN[portal]).status_code for client in (here, there, third)] == [200, 302, 200]
    reasons = AuditEvent.objects.filter(code__startswith="session.end").order_by("pk").values_list("code", "detail")
    assert [code for code, _ in reasons] == ["session.end_refused", "session.end"]
    assert reasons[1][1]["reason"] == SessionRecord.Reason.OWNER


PASSWORD = {HYPERSPACE: "/hyperspace/password/", MYCHART: "/mychart/password/"}
NEW = {"new_password1": "staple battery correct horse", "new_password2": "staple battery correct horse"}


@pytest.mark.parametrize(("portal", "person"), [(HYPERSPACE, factories.amara), (MYCHART, pat)])
def test_the_old_password_sets_a_new_one_and_ends_the_sessions_elsewhere(portal: str, person: object) -> None:
    user = person()  # type: ignore[operator]
    here, there = (factories.signed_in(Client(), user, portal) for _ in range(2))
    old_id = session_id(here)

    changed = here.post(PASSWORD[portal], {"password": factories.PASSWORD, **NEW})

    assert changed.headers["Location"] == OWN[portal]
    assert [client.get(OWN[portal]).status_code for client in (here, there)] == [200, 302]
    assert session_id(here) != old_id
    assert User.objects.get(pk=user.pk).check_password(NEW["new_password1"])
    assert AuditEvent.objects.filter(code="user.change").values_list("actor", "detail").get() == (
        user.username,
        {"fields": ["password"]},
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"password": "wrong", **NEW}, "not the password"),
        ({"password": factories.PASSWORD, **NEW, "new_password2": "another"}, "match"),
        ({"password": factories.PASSWORD, "new_password1": "amara", "new_password2": "amara"}, "too short"),
    ],
)
def test_a_password_that_is_not_changed_says_why(client: Client, typed: dict[str, str], said: str) -> None:
    user = factories.amara()
    factories.signed_in(client, user)

    content = client.post(PASSWORD[HYPERSPACE], typed).content.decode()

    assert said in content
    assert User.objects.get(pk=user.pk).check_password(factories.PASSWORD)


def test_nobody_ends_the_sessions_of_others_or_sees_ids(client: Client) -> None:
    theirs = factories.signed_in(Client(), factories.ben())
    factories.signed_in(client, factories.amara())
    elsewhere = factories.signed_in(Client(), User.objects.get(username="amara"))

    client.post(OWN[HYPERSPACE], {"sessions": [handle(session_id(theirs))], "password": factories.PASSWORD})
    page = client.get(OWN[HYPERSPACE]).content.decode()

    assert theirs.get("/hyperspace/").status_code == 200
    assert handle(session_id(elsewhere)) in page
    assert handle(session_id(theirs)) not in page
    assert session_id(elsewhere) not in page


def test_asking_what_is_left_extends_nothing_and_staying_does(client: Client) -> None:
    factories.signed_in(client, factories.amara())
    key = keys.session(session_id(client))
    sessions_client().hincrby(key, "seen", -600_000)

    asked = int(client.get("/session/left/")["Session-Locks-In"])
    again = int(client.get("/session/left/")["Session-Locks-In"])
    stayed = int(client.post("/session/stay/")["Session-Locks-In"])

    assert again <= asked <= 300 < stayed


def test_a_workstation_locked_by_hand_opens_with_the_password(client: Client) -> None:
    factories.signed_in(client, factories.amara())

    locked = client.post("/hyperspace/lock/", {"next": "/hyperspace/sessions/"})

    assert locked.headers["Location"] == "/hyperspace/unlock/?next=/hyperspace/sessions/"
    assert client.get("/hyperspace/").status_code == 302
    assert client.get("/session/left/").status_code == 423
    client.post("/hyperspace/unlock/", {"password": factories.PASSWORD})
    assert client.get("/hyperspace/").status_code == 200
