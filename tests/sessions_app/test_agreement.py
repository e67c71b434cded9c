"""The checker finds each way in which hashes, registry and audit trail can part."""

import json
from collections.abc import Callable

import pytest
from django.core.management import call_command

from audit.models import AuditEvent
from epicops import keys
from epicops.redis_client import sessions_client
from sessions_app import agreement, registry
from sessions_app.agreement import differences
from sessions_app.backend import SessionStore
from sessions_app.ids import key_hash
from tests.registered import in_registry, new_session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "AGAIN", 0.0)


@pytest.fixture
def session_id() -> str:
    return new_session()


def write(session_id: str, **data: str) -> None:
    session = SessionStore(session_id)
    session.update(data)
    session.save()


WRONG: dict[str, Callable[[str], object]] = {
    "live without a hash": lambda each: sessions_client().delete(keys.session(each)),
    "live without a hash ": lambda each: (
        sessions_client().delete(keys.session(each)),
        sessions_client().set(keys.session(each), "no hash"),
    ),
    "ran out and not swept": lambda each: (
        sessions_client().delete(keys.session(each)),
        in_registry("last_activity = last_activity - interval '32 minutes'"),
    ),
    "row and hash differ": lambda each: sessions_client().hset(keys.session(each), "role", "physician"),
    "limit missing or too long": lambda each: sessions_client().persist(keys.session(each)),
    "activity not in the registry": lambda _: in_registry("last_activity = last_activity - interval '2 minutes'"),
    "activity not in Redis": lambda each: sessions_client().hincrby(keys.session(each), "seen", -120_000),
    "key that is no session": lambda _: sessions_client().set("session:me", 1),
    "hash without a row": lambda each: sessions_client().copy(keys.session(each), keys.session("a" * 32)),
    "hash of an ended session": lambda each: registry.end(each, "logout"),
    "expiry not on record once": lambda each: (
        registry.end(each, "idle"),
        sessions_client().delete(keys.session(each)),
    ),
}


def test_a_session_in_use_agrees(session_id: str) -> None:
    SessionStore(session_id).load()

    assert not differences()


def test_a_session_used_while_others_are_compared_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "CHUNK", 1)
    first, second = sorted((new_session(), new_session()), key=key_hash)
    sessions_client().delete(keys.session(first))

    found = agreement.from_registry()

    assert next(found) == ("live without a hash", key_hash(first))
    write(second, theme="dark")
    assert list(found) == []


@pytest.mark.parametrize("kind", WRONG)
def test_what_differs_is_named(session_id: str, kind: str) -> None:
    WRONG[kind](session_id)

    assert differences() == {kind.strip(): 1}


def test_the_command_prints_it_and_fails(session_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    registry.end(session_id, "logout")

    with pytest.raises(SystemExit):
        call_command("check_sessions")

    assert json.loads(capsys.readouterr().out) == {"live": 0, "differences": {"hash of an ended session": 1}}
    assert not AuditEvent.objects.exists()
