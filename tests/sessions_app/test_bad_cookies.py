"""Cookies that are no session of ours: a clean login page, a record where it smells, no 500 and no key in Redis."""

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from epicops import keys
from epicops.redis_client import sessions_client
from sessions_app.ids import handle, key_hash
from tests import factories
from tests.factories import session_id

pytestmark = pytest.mark.django_db

UNITS = "/hyperspace/"
STRANGER = "0123456789abcdef" * 2  # the form of an id, and nobody's
HOSTILE = {
    "NUL": "a\0b" * 8,
    "quoted NUL": '"aaaaaaaa\\000bbbbbbbb"',
    "8 kB": "x" * 8192,
    "path": "../" * 11,
    "key": "session:" + "a" * 24,
    "hash tag": "{interconnect:queue}:inflight",
    "glob": "*" * 32,
    "capitals": "A" * 32,
    "one too long": "a" * 33,
    "quoted line end": '"' + "a" * 31 + '\\012"',
    "other digits": "\u0661".encode().decode("latin-1") * 32,  # as WSGI hands bytes over
    "SQL": "' OR 1=1 --",
    "no UTF-8": "\xff" * 32,
}


def header(cookie: str) -> dict[str, str]:
    """Return the header as it comes over the wire: the client's own cookies refuse to be hostile."""
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"}


@pytest.fixture(params=[*HOSTILE, "handle", "hash in the registry"])
def cookie(request: pytest.FixtureRequest) -> str:
    """A cookie that no server of ours has set."""
    if request.param in HOSTILE:
        return HOSTILE[request.param]
    theirs = session_id(factories.signed_in(Client(), factories.ben()))
    return handle(theirs) if request.param == "handle" else key_hash(theirs)


def test_it_opens_nothing_makes_nothing_and_is_on_record(client: Client, cookie: str) -> None:
    before = sorted(sessions_client().keys("*"))
    ward = factories.unit("A").pk

    page = client.get(UNITS, headers=header(cookie))
    poll = client.get(reverse("hyperspace:board-cells", args=[ward]), headers=header(cookie))
    logout = client.post("/hyperspace/logout/", headers=header(cookie))

    assert (page.status_code, poll.status_code, logout.status_code) == (302, 401, 302)
    assert sorted(sessions_client().keys("*")) == before
    event = AuditEvent.objects.filter(code="session.refused_cookie").earliest("pk")
    assert set(event.detail) == {"characters"}


def test_signing_in_with_it_gives_an_id_of_our_own(client: Client, cookie: str) -> None:
    factories.amara()
    credentials = {"username": "amara", "password": factories.PASSWORD}

    client.post("/hyperspace/login/", credentials, headers=header(cookie))

    assert session_id(client) != cookie
    assert client.get(UNITS).status_code == 200


def test_nobody_adopts_an_id_from_the_cookie(client: Client) -> None:
    factories.amara()
    client.cookies[settings.SESSION_COOKIE_NAME] = STRANGER

    assert client.get(UNITS).status_code == 302
    client.post("/hyperspace/login/", {"username": "amara", "password": factories.PASSWORD})

    assert not sessions_client().exists(keys.session(STRANGER))
    assert session_id(client) != STRANGER


@pytest.mark.parametrize("command", ["SET {} x", "LPUSH {} x", "SADD {} x", "ZADD {} 1 x", "HSET {} role nurse"])
def test_a_key_that_is_no_session_is_a_miss_and_stays_as_it_is(client: Client, command: str) -> None:
    key = keys.session(STRANGER)
    sessions_client().execute_command(*command.format(key).split())  # type: ignore[no-untyped-call]
    before = sessions_client().dump(key)
    client.cookies[settings.SESSION_COOKIE_NAME] = STRANGER

    page = client.get(UNITS)

    assert (page.status_code, page.headers["Location"]) == (302, f"/hyperspace/login/?next={UNITS}")
    assert sessions_client().dump(key) == before
