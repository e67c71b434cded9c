"""The session hash: what other systems read, how long it lives, and that an ended session stays ended."""

import re
import time

import pytest
from django.contrib.sessions.backends.base import UpdateError

from epicops import keys
from epicops.embedded.stack import Stack
from epicops.redis_client import sessions_client
from sessions_app.backend import SessionStore, SessionsUnavailable

IDLE = 1800


def saved(**data: object) -> SessionStore:
    session = SessionStore()
    session.update(data)
    session.save()
    return session


def key_of(session: SessionStore) -> str:
    return keys.session(str(session.session_key))


def field(session: SessionStore, name: str) -> str:
    value = sessions_client().hget(key_of(session), name)
    assert isinstance(value, bytes)
    return value.decode()


def test_the_hash_has_the_fields_of_the_wire_contract() -> None:
    session = saved(_auth_user_id="17", role="nurse", department="emergency", portal="Hyperspace")

    assert [field(session, name) for name in ("user_id", "role", "department", "portal")] == [
        "17",
        "nurse",
        "emergency",
        "Hyperspace",
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", field(session, "last_activity"))


def test_what_was_saved_is_loaded() -> None:
    session = saved(colour="green")

    assert SessionStore(session.session_key)["colour"] == "green"


def test_a_session_lives_half_an_hour() -> None:
    session = saved()

    assert IDLE - 1 <= sessions_client().ttl(key_of(session)) <= IDLE


def test_touching_starts_the_half_hour_again() -> None:
    session = saved()
    sessions_client().expire(key_of(session), 10)

    assert session.touch()

    assert sessions_client().ttl(key_of(session)) > IDLE - 2


def test_a_save_that_does_not_extend_leaves_ttl_and_last_activity() -> None:
    session = saved()
    sessions_client().expire(key_of(session), 10)
    sessions_client().hset(key_of(session), "last_activity", "before")

    session["seen"] = True
    session.save(extend=False)

    assert sessions_client().ttl(key_of(session)) <= 10
    assert field(session, "last_activity") == "before"
    assert SessionStore(session.session_key)["seen"]


def test_an_application_may_shorten_a_session_but_not_stretch_it() -> None:
    short, long = saved(), saved()
    short.set_expiry(60)
    long.set_expiry(86_400)
    short.save()
    long.save()

    assert sessions_client().ttl(key_of(short)) <= 60
    assert sessions_client().ttl(key_of(long)) <= IDLE


def test_an_ended_session_is_not_saved_again() -> None:
    session = saved()
    SessionStore().delete(session.session_key)

    with pytest.raises(UpdateError):
        session.save()

    assert not sessions_client().exists(key_of(session))


def test_an_ended_session_is_not_touched_again() -> None:
    session = saved()
    session.delete()

    assert not session.touch()

    assert not sessions_client().exists(key_of(session))


def test_a_new_id_takes_the_data_along_and_ends_the_old_one() -> None:
    session = saved(role="nurse")
    old = key_of(session)

    session.cycle_key()

    assert not sessions_client().exists(old)
    assert field(session, "role") == "nurse"


@pytest.mark.parametrize("cookie", ["", "short", "A" * 32, "a" * 33, "x" * 31 + "\0", "idx:user:5", "{tag}" + "a" * 27])
def test_what_is_no_id_of_ours_reaches_no_store(cookie: str) -> None:
    sessions_client().set(f"session:{cookie}", "another system's")

    session = SessionStore(cookie)

    assert not session.exists(cookie)
    assert session.load() == {}
    assert session.session_key is None


def test_data_that_was_tampered_with_is_an_empty_session() -> None:
    session = saved(role="nurse")
    sessions_client().hset(key_of(session), "data", field(session, "data") + "x")

    assert SessionStore(session.session_key).load() == {}


def test_without_redis_nothing_is_known_and_that_takes_no_time(stack: Stack) -> None:
    session = saved()
    stack.sessions.kill()
    started = time.monotonic()

    with pytest.raises(SessionsUnavailable):
        SessionStore(session.session_key).load()

    assert time.monotonic() - started < 0.5
