"""Activity, not traffic; and a store that is away logs nobody out."""

import pytest
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from epicops import keys
from epicops.embedded.stack import Stack
from epicops.redis_client import sessions_client
from sessions_app.backend import SessionStore
from sessions_app.middleware import ActivitySessionMiddleware
from tests import factories
from tests.factories import session_id

pytestmark = pytest.mark.django_db

UNITS = "/hyperspace/"


@pytest.fixture
def amara(client: Client) -> Client:
    return factories.signed_in(client, factories.amara())


def session_key(client: Client) -> str:
    return keys.session(session_id(client))


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


def test_a_page_loads_and_refreshes_its_session_in_one_round_trip(amara: Client) -> None:
    sessions_client().config_resetstat()

    amara.get(UNITS)

    calls = {name: stats["calls"] for name, stats in sessions_client().info("commandstats").items()}
    assert sum(calls.get(name, 0) for name in ("cmdstat_eval", "cmdstat_evalsha")) == 1
    assert calls.get("cmdstat_hget", 0) + calls.get("cmdstat_hgetall", 0) == 0


def test_without_redis_the_page_is_served(amara: Client, stack: Stack) -> None:
    stack.sessions.kill()

    response = amara.get(UNITS)

    assert response.status_code == 200
    assert settings.SESSION_COOKIE_NAME not in response.cookies


def test_redis_lost_in_the_middle_of_a_request_loses_nothing(amara: Client, rf: RequestFactory, stack: Stack) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        request.session["seen"] = True
        stack.sessions.kill()
        return HttpResponse()

    request = rf.get("/")
    request.COOKIES = {name: morsel.value for name, morsel in amara.cookies.items()}

    assert ActivitySessionMiddleware(view)(request).status_code == 200
    assert amara.session["seen"]


def test_a_login_without_redis_works(client: Client, stack: Stack) -> None:
    factories.amara()
    stack.sessions.kill()

    response = client.post("/hyperspace/login/", {"username": "amara", "password": factories.PASSWORD})

    assert response.status_code == 302
    assert client.get(UNITS).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_without_either_store_the_page_says_so_and_the_cookie_stays(amara: Client, stack: Stack) -> None:
    stack.sessions.kill()
    connections.close_all()
    stack.postgres.kill()

    response = amara.get(UNITS)

    stack.postgres.start()
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert settings.SESSION_COOKIE_NAME not in response.cookies


def test_an_unmodified_page_asks_the_registry_nothing(amara: Client) -> None:
    amara.get(UNITS)

    with CaptureQueriesContext(connections["sessions"]) as queries:
        amara.get(UNITS)

    assert not queries.captured_queries


def test_a_page_says_how_long_the_session_lasts(amara: Client) -> None:
    response = amara.get(UNITS)

    assert 1798 <= int(response["Session-Seconds-Left"]) <= 1800
    assert 898 <= int(response["Session-Locks-In"]) <= 900


def test_a_sign_out_in_another_tab_is_not_undone(amara: Client) -> None:
    session = SessionStore(session_id(amara))
    session.load()
    amara.post("/hyperspace/logout/")

    with pytest.raises(UpdateError):
        session.save()
