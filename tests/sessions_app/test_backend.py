"""The session hash: what other systems read, how long it lives, and that an ended session stays ended."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.db import connections

from epicops import keys
from epicops.redis_client import sessions_client
from sessions_app import stores
from sessions_app.backend import SessionStore
from sessions_app.ids import handle, unseal
from sessions_app.models import SessionRecord
from sessions_app.trust import trust
from tests.registered import in_registry

pytestmark = pytest.mark.django_db

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


def test_loading_as_activity_starts_the_half_hour_again() -> None:
    session = saved()
    sessions_client().expire(key_of(session), 10)

    assert stores.load(str(session.session_key), touch=True)

    assert sessions_client().ttl(key_of(session)) > IDLE - 2


def test_loading_alone_does_not() -> None:
    session = saved()
    sessions_client().expire(key_of(session), 10)

    SessionStore(session.session_key).load()

    assert sessions_client().ttl(key_of(session)) <= 10


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
    ended = str(session.session_key)
    session.delete()

    assert stores.load(ended, touch=True) is None

    assert not sessions_client().exists(keys.session(ended))


def test_a_hash_without_a_ttl_still_ends() -> None:
    session = saved()
    sessions_client().persist(key_of(session))
    sessions_client().hset(key_of(session), "seen", 1)

    assert SessionStore(session.session_key).load() == {}
    assert not sessions_client().exists(key_of(session))


def test_a_new_id_does_not_move_the_absolute_limit() -> None:
    session = saved()
    deadline = int(field(session, "seen")) + 5_000
    sessions_client().hset(key_of(session), "deadline", deadline)
    again = SessionStore(session.session_key)
    again.load()

    again.cycle_key()
    stores.load(str(again.session_key), touch=True)

    assert abs(int(field(again, "deadline")) - deadline) < 500
    assert sessions_client().pttl(key_of(again)) <= 5_000


def test_a_hundred_requests_at_once_lose_no_write() -> None:
    session = saved()

    def write(number: int) -> None:
        mine = SessionStore(session.session_key)
        mine[f"key{number}"] = number
        try:
            mine.save()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(write, range(100)))

    assert {f"key{number}" for number in range(100)} <= set(SessionStore(session.session_key).keys())


def test_of_two_writes_to_one_key_the_later_counts_and_removals_are_kept() -> None:
    session = saved(colour="green", size="large")
    first, second = SessionStore(session.session_key), SessionStore(session.session_key)
    first["colour"] = "red"
    del second["size"]
    second["colour"] = "blue"

    first.save()
    second.save()

    assert dict(SessionStore(session.session_key).items()) == {"colour": "blue"}


def test_a_key_of_another_type_is_a_miss_and_stays() -> None:
    session = "a" * 32
    sessions_client().set(keys.session(session), "somebody else's")

    assert SessionStore(session).load() == {}
    assert sessions_client().get(keys.session(session)) == b"somebody else's"
    assert trust.is_redis()


def test_the_registry_has_no_id_in_clear() -> None:
    session = saved(role="nurse")
    record = SessionRecord.objects.get()

    assert str(session.session_key) not in str(vars(record))
    assert unseal(record.sealed_id, record.key_hash) == session.session_key
    assert record.handle == handle(str(session.session_key))


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


def test_data_that_was_tampered_with_is_asked_of_postgresql() -> None:
    session = saved(role="nurse", colour="green")
    sessions_client().hset(key_of(session), "data", field(session, "data") + "x")

    assert SessionStore(session.session_key)["colour"] == "green"


def test_data_that_were_tampered_with_everywhere_are_an_empty_session() -> None:
    session = saved(role="nurse", colour="green")
    sessions_client().hset(key_of(session), "data", field(session, "data") + "x")
    in_registry("data = data || 'x'")

    assert SessionStore(session.session_key).load() == {}


def test_a_saved_session_says_what_its_absolute_limit_leaves() -> None:
    key, deadline = key_of(session := saved(colour="green")), int(time.time() + 60) * 1000
    sessions_client().hset(key, "deadline", str(deadline))
    session = SessionStore(session.session_key)
    session["colour"] = "red"

    session.save()

    assert 0 < session.seconds_left <= 60


def test_what_a_poll_saves_gives_nobody_more_time() -> None:
    key = key_of(session := saved(colour="green"))
    sessions_client().hincrby(key, "seen", -600_000)
    session = SessionStore(session.session_key)
    session["colour"] = "red"

    session.save(extend=False)

    assert session.seconds_left <= IDLE - 600
