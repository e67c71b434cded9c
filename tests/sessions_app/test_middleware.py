"""Activity, not traffic; and a store that is away logs nobody out."""

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from epicops import keys
from epicops.embedded.stack import Stack
from epicops.redis_client import sessions_client
from sessions_app.backend import SessionStore
from sessions_app.middleware import ActivitySessionMiddleware
from tests import factories

pytestmark = pytest.mark.django_db

UNITS = "/hyperspace/"


@pytest.fixture
def amara(client: Client) -> Client:
    return factories.signed_in(client, factories.amara())


def session_key(client: Client) -> str:
    return keys.session(client.cookies[settings.SESSION_COOKIE_NAME].value)


def left(client: Client) -> int:
    return int(sessions_client().ttl(session_key(client)))


def cells(client: Client) -> str:
    return reverse("hyperspace:board-cells", args=[factories.unit("A").pk])


def test_a_page_starts_the_half_hour_again(amara: Client) -> None:
    sessions_client().expire(session_key(amara), 60)

    amara.get(UNITS)

    assert left(amara) > 1790


def test_a_poll_does_not(amara: Client) -> None:
    sessions_client().expire(session_key(amara), 60)

    assert amara.get(cells(amara)).status_code == 200

    assert left(amara) <= 60


def test_a_poll_with_an_expired_session_is_refused(amara: Client) -> None:
    sessions_client().delete(session_key(amara))

    response = amara.get(cells(amara))

    assert response.status_code == 401


def test_a_poll_never_touches_the_cookie(amara: Client) -> None:
    sessions_client().delete(session_key(amara))

    assert settings.SESSION_COOKIE_NAME not in amara.get(cells(amara)).cookies


def test_a_page_reads_its_session_once_and_writes_it_once(amara: Client) -> None:
    sessions_client().config_resetstat()

    amara.get(UNITS)

    calls = {name: stats["calls"] for name, stats in sessions_client().info("commandstats").items()}
    assert calls["cmdstat_hget"] == 1
    assert calls["cmdstat_eval"] == 1


def test_without_redis_the_page_says_so_and_the_cookie_stays(amara: Client, stack: Stack) -> None:
    stack.sessions.kill()

    response = amara.get(UNITS)

    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert settings.SESSION_COOKIE_NAME not in response.cookies


def test_redis_lost_in_the_middle_of_a_request_is_503_too(amara: Client, rf: RequestFactory, stack: Stack) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        request.session["seen"] = True
        stack.sessions.kill()
        return HttpResponse()

    request = rf.get("/")
    request.COOKIES = {name: morsel.value for name, morsel in amara.cookies.items()}

    assert ActivitySessionMiddleware(view)(request).status_code == 503


def test_the_session_is_there_when_redis_is_back(amara: Client, stack: Stack) -> None:
    stack.sessions.kill()
    amara.get(UNITS)
    stack.sessions.start()

    assert amara.get(UNITS).status_code == 200


def test_a_login_without_redis_is_503_too(client: Client, stack: Stack) -> None:
    factories.amara()
    stack.sessions.kill()

    response = client.post("/hyperspace/login/", {"username": "amara", "password": factories.PASSWORD})

    assert response.status_code == 503


def test_a_sign_out_in_another_tab_is_not_undone(amara: Client) -> None:
    session = SessionStore(amara.cookies[settings.SESSION_COOKIE_NAME].value)
    session.load()
    amara.post("/hyperspace/logout/")

    assert not session.touch()
