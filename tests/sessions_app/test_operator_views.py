"""The operators' door."""

import pytest
from django.test import Client

from audit.models import AuditEvent
from epicops import keys
from epicops.redis_client import sessions_client
from tests import factories
from tests.factories import session_id
from tests.operators import root

pytestmark = pytest.mark.django_db

LOGIN = {"username": "olu", "password": factories.PASSWORD}


def codes() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("code", flat=True))


def test_an_operator_signs_in_to_the_admin_and_redis_shows_it(client: Client) -> None:
    factories.olu()

    response = client.post("/admin/login/", LOGIN)

    assert response.headers["Location"] == "/admin/"
    session = keys.session(session_id(client))
    assert sessions_client().hmget(session, "role", "portal") == [b"operator", b"Operations"]
    assert codes() == ["session.login"]


def test_a_clinician_is_refused_and_that_is_recorded(client: Client) -> None:
    factories.amara()

    response = client.post("/admin/login/", LOGIN | {"username": "amara"})

    assert response.status_code == 200
    assert codes() == ["session.login_failed"]


def test_signing_out_of_the_admin_ends_the_session(client: Client) -> None:
    factories.olu()
    client.post("/admin/login/", LOGIN)

    response = client.post("/admin/logout/")

    assert response.headers["Location"] == "/admin/login/"
    assert not sessions_client().keys("session:*")
    assert codes() == ["session.login", "session.logout"]


def test_an_admin_session_opens_no_ward(client: Client) -> None:
    factories.olu()
    client.post("/admin/login/", LOGIN)

    assert client.get("/hyperspace/").status_code == 403


def test_a_session_of_another_door_opens_no_admin_page(client: Client) -> None:
    amara = factories.amara()
    amara.is_staff = True
    amara.save()
    factories.signed_in(client, amara)

    assert client.get("/admin/").headers["Location"] == "/admin/login/?next=/admin/"


@pytest.mark.parametrize(
    "path",
    [
        "/admin/sessions_app/sessionrecord/%00/change/",
        "/admin/sessions_app/breakglass/?reason__exact=%00",
        "/admin/sessions_app/user/?role__exact=%00",
    ],
)
def test_what_postgresql_cannot_hold_is_a_bad_request(client: Client, path: str) -> None:
    client.force_login(root())

    assert client.get(path).status_code == 400


def test_a_name_that_postgresql_cannot_hold_ends_no_session(client: Client) -> None:
    client.force_login(root())

    fields = {"username": "\0", "confirmation": "end all sessions"}

    assert client.post("/admin/sessions_app/sessionrecord/end-all/", fields).status_code == 400
