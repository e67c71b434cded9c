"""A glance and the script say the same; where there is anything to do, the script says it alone."""

from collections.abc import Callable

import pytest

from epicops import keys
from epicops.redis_client import sessions_client
from sessions_app import scripts
from sessions_app.backend import SessionStore
from sessions_app.held import Held, in_clear
from sessions_app.trust import trust

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = 60_000  # ms


@pytest.fixture
def key() -> str:
    session = SessionStore()
    session.update({"_auth_user_id": "17", "role": "nurse", "department": "ICÜ", "portal": "Hyperspace"})
    session.save()
    return keys.session(str(session.session_key))


def glance(key: str) -> Held | None:
    return scripts.glance(key.removeprefix("session:"))


def test_a_glance_says_what_the_script_says(key: str) -> None:
    asked = (trust.state.generation, "look", "", MINUTE)
    _, *told = scripts.evaluate(trust.client, trust.client.register_script(scripts.OPEN), key, *asked)
    seen = glance(key)

    assert seen is not None
    assert [seen.left, seen.deadline, seen.since] == pytest.approx(told[:3], abs=5_000)  # time goes on
    assert [told[3], seen.ver, seen.idle, seen.lock] == list(map(int, [0, told[4], *told[6:8]]))
    assert seen.data == told[5].decode()
    assert seen.clear == in_clear(told[8:])


@pytest.mark.parametrize(
    "happen",
    [
        lambda key: sessions_client().hset(key, "gen", "0"),
        lambda key: sessions_client().hdel(key, "seen"),
        lambda key: sessions_client().hincrby(key, "seen", -16 * MINUTE),
        lambda key: sessions_client().hset(key, "deadline", "1"),
        lambda key: sessions_client().delete(key),
        lambda key: sessions_client().delete(key) and sessions_client().lpush(key, "no session"),
    ],
    ids=["not vouched for", "cut short", "lock due", "at its limit", "gone", "no hash"],
)
def test_a_glance_leaves_what_is_not_plain_to_the_script(key: str, happen: Callable[[str], object]) -> None:
    happen(key)

    assert glance(key) is None
    assert glance(key) is None, "the connection is in order afterwards"
