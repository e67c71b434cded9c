"""A change of role gives a session a new id, and gives none to a session that has ended."""

import threading
import time
from contextlib import suppress

import pytest
from django.conf import settings
from django.db import connections
from django.db.models import Q
from django.test import Client, RequestFactory
from redis.exceptions import RedisError

from epicops import keys
from epicops.embedded.stack import Stack
from epicops.redis_client import sessions_client
from sessions_app import registry, stores, vouching
from sessions_app.backend import SessionStore
from sessions_app.live import LIVE, end_sessions, follow, renew
from sessions_app.models import User
from sessions_app.trust import trust
from tests import factories
from tests.factories import session_id
from tests.registered import in_registry
from tests.sessions_app.test_outage import until_back

pytestmark = pytest.mark.django_db(transaction=True)

UNITS = "/hyperspace/"


@pytest.fixture
def client() -> Client:
    """Amara's browser, signed in as a nurse."""
    factories.amara()
    client = Client()
    client.post("/hyperspace/login/", {"username": "amara", "password": factories.PASSWORD})
    return client


def become(role: str) -> None:
    user = User.objects.get(username="amara")
    user.role = role
    user.save()
    follow(user, actor="root")


def browser_with(session_id: str) -> Client:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = session_id
    return client


@pytest.mark.parametrize(
    ("change", "role"),
    [({"role": "charge_nurse"}, b"charge_nurse"), ({"role": "patient"}, None), ({"is_active": False}, None)],
)
def test_what_was_changed_while_somebody_unlocked_counts(
    client: Client, change: dict[str, object], role: bytes | None
) -> None:
    request = RequestFactory().post("/hyperspace/unlock/")
    request.session = SessionStore(session_id(client))
    assert request.session["role"] == "nurse"
    user = User.objects.get()
    User.objects.update(**change)
    follow(User.objects.get(), actor="root")

    renew(request, user)

    assert sessions_client().hget(keys.session(str(request.session.session_key)), "role") == role


def test_the_next_page_after_a_change_of_role_comes_with_a_new_id(client: Client) -> None:
    before = session_id(client)
    become("charge_nurse")

    page = client.get(UNITS)

    assert (page.status_code, session_id(client) == before) == (200, False)
    assert sessions_client().hget(keys.session(session_id(client)), "role") == b"charge_nurse"
    assert not sessions_client().exists(keys.session(before))
    assert browser_with(before).get(UNITS).status_code == 302
    record = LIVE.get()
    assert record.admitted_at is not None  # it still counts against the number allowed


def test_it_is_renewed_once(client: Client) -> None:
    become("charge_nurse")
    client.get(UNITS)
    after = session_id(client)

    client.get(UNITS)

    assert session_id(client) == after


def test_a_poll_renews_nothing(client: Client) -> None:
    before = session_id(client)
    become("charge_nurse")

    assert client.get("/session/left/").status_code == 204
    assert session_id(client) == before


def test_a_session_that_was_ended_meanwhile_is_not_renewed(client: Client) -> None:
    become("charge_nurse")
    slow = SessionStore(session_id(client))
    assert slow["role"] == "charge_nurse"
    end_sessions(Q(portal="Hyperspace"), "admin", actor="root")

    slow.renew_if_changed()

    assert slow.session_key == session_id(client)
    assert not LIVE.exists()


def test_a_session_that_was_written_meanwhile_is_renewed_later_and_keeps_the_write(client: Client) -> None:
    become("charge_nurse")
    slow, quick = SessionStore(session_id(client)), SessionStore(session_id(client))
    assert slow["role"] == "charge_nurse"
    quick["colour"] = "green"
    quick.save()

    slow.renew_if_changed()
    assert slow.session_key == session_id(client)
    client.get(UNITS)

    assert client.session["colour"] == "green"


def test_of_many_answers_at_once_one_renews(client: Client) -> None:
    become("charge_nurse")
    slow = [SessionStore(session_id(client)) for _ in range(8)]
    start = threading.Barrier(len(slow))

    def renew(session: SessionStore) -> None:
        assert session["role"] == "charge_nurse"
        start.wait()
        session.renew_if_changed()
        connections.close_all()

    threads = [threading.Thread(target=renew, args=[each]) for each in slow]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert LIVE.count() == 1
    assert sum(each.session_key != session_id(client) for each in slow) == 1


def test_the_new_id_has_the_newest_role_although_the_page_was_loaded_with_an_older_one(client: Client) -> None:
    become("charge_nurse")
    slow = SessionStore(session_id(client))
    assert slow["role"] == "charge_nurse"
    become("physician")

    slow.renew_if_changed()

    assert sessions_client().hget(keys.session(str(slow.session_key)), "role") == b"physician"
    assert SessionStore(slow.session_key)["role"] == "physician"


def test_without_redis_it_is_renewed_all_the_same_and_the_old_id_stays_ended(client: Client, stack: Stack) -> None:
    before = session_id(client)
    stack.sessions.kill()
    become("charge_nurse")
    page = client.get(UNITS)
    stack.sessions.start()
    until_back()

    assert (page.status_code, session_id(client) == before) == (200, False)
    assert client.get(UNITS).status_code == 200
    assert browser_with(before).get(UNITS).status_code == 302
    assert trust.is_redis()


def test_a_role_changed_while_its_session_is_restored_counts(client: Client, stack: Stack) -> None:
    mine, pool = session_id(client), trust.client.connection_pool
    for connection in [pool.get_connection() for _ in range(2)]:  # for each of the two who wait below
        pool.release(connection)

    def restore() -> None:
        registry.load(mine)  # connects
        stack.sessions.freeze()
        threading.Timer(0.1, stack.sessions.thaw).start()
        is_frozen.set()
        with suppress(RedisError):  # a busy machine: PostgreSQL answers then
            vouching.verify(mine)
        connections.close_all()

    is_frozen = threading.Event()
    thread = threading.Thread(target=restore)
    thread.start()
    is_frozen.wait()
    time.sleep(0.02)  # it has read the row
    in_registry("role = 'charge_nurse'")
    stores.set_fields({mine: {"role": "charge_nurse"}})
    thread.join()

    assert SessionStore(mine)["role"] == "charge_nurse"
