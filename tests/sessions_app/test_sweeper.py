"""The sweeper by itself: what it ends, prolongs and mends, also beside another one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from audit.models import AuditEvent
from audit.verify import verify
from epicops import keys
from epicops.redis_client import sessions_client
from sessions_app import registry
from sessions_app.agreement import differences
from sessions_app.ids import key_hash
from sessions_app.models import SessionRecord
from sessions_app.sweeper import Swept, end_all, sweep
from sessions_app.trust import trust
from tests.registered import in_registry, new_session

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = 60_000  # ms


@pytest.fixture
def session_id() -> str:
    return new_session()


def run_out(session_ids: list[str]) -> None:
    in_registry("last_activity = last_activity - interval '31 minutes'")
    sessions_client().delete(*map(keys.session, session_ids))


def ends() -> list[str]:
    return [event.detail["reason"] for event in AuditEvent.objects.filter(code="session.end")]


def test_what_the_registry_has_missed_is_taken_from_redis_and_prolongs_nothing(session_id: str) -> None:
    sessions_client().hincrby(keys.session(session_id), "seen", -29 * MINUTE)
    in_registry("last_activity = last_activity - interval '31 minutes'")

    assert sweep().prolonged == 1

    held = registry.load(session_id)
    assert held is not None
    assert 0 < held.left <= MINUTE


def test_a_session_used_since_the_registry_heard_of_it_is_not_taken_for_locked(session_id: str) -> None:
    in_registry("last_activity = last_activity - interval '16 minutes'")

    assert sweep() == Swept()


def test_two_sweepers_at_once_end_each_session_once() -> None:
    run_out([new_session() for _ in range(40)])

    def sweep_and_leave(_number: int) -> int:
        try:
            return sweep().ended
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(sweep_and_leave, range(2))) == 40

    assert ends() == ["idle"] * 40
    assert not verify({}).findings


def test_a_session_used_since_it_was_looked_at_is_not_ended(session_id: str) -> None:
    run_out([session_id])
    registry.checkpoint(session_id)

    assert end_all(SessionRecord.objects.run_out().filter(pk=key_hash(session_id)), SessionRecord.Reason.IDLE) == 0
    assert ends() == []


def test_a_limit_that_is_too_long_is_cut(session_id: str) -> None:
    sessions_client().pexpire(keys.session(session_id), 600 * MINUTE)

    assert sweep() == Swept(mended=1)
    assert not differences()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: sessions_client().pexpire(key, 600 * MINUTE),
        lambda key: sessions_client().delete(key) and sessions_client().set(key, "no session"),
        lambda key: sessions_client().hset(key, "idle", "30 minutes"),
    ],
    ids=["lives too long", "is no hash", "has no number"],
)
def test_a_key_in_redis_keeps_no_session_that_ran_out(session_id: str, spoil: Callable[[str], object]) -> None:
    sessions_client().hincrby(keys.session(session_id), "seen", -31 * MINUTE)
    in_registry("last_activity = last_activity - interval '31 minutes'")
    spoil(keys.session(session_id))

    assert sweep().ended == 1
    assert trust.is_redis()


def test_sessions_of_an_earlier_secret_key_run_out_like_others(session_id: str, settings: Any) -> None:
    settings.SECRET_KEY = "another one, of which no session's id was sealed under"
    run_out([session_id])

    assert [sweep(), sweep(), sweep()] == [Swept(ended=1), Swept(cleared=1), Swept()]
