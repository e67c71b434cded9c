"""Redis gone, back, hanging, restarted with old data, emptied, replaced: what ended stays ended, what lives lives.

Each case is a person's day around one incident. Processes have knowledge of their own: `another_process` is one that
has seen nothing of what happened before.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.db import connections
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from redis.exceptions import RedisError

from epicops import keys
from epicops.embedded.stack import Stack
from epicops.redis_client import sessions_client
from monitoring.metrics import exposition
from sessions_app import stores
from sessions_app.backend import SessionStore
from sessions_app.live import follow
from sessions_app.models import User
from sessions_app.registry import ALIAS
from sessions_app.trust import FENCE, look, trust
from tests import factories
from tests.factories import session_id

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

UNITS = "/hyperspace/"
Incident = Callable[[Stack], None]


def session(**data: object) -> str:
    store = SessionStore()
    store.update({"user": "17", **data})
    store.save()
    return str(store.session_key)


def is_alive(session_id: str) -> bool:
    return bool(SessionStore(session_id).load())


def write(session_id: str, **data: object) -> None:
    store = SessionStore(session_id)
    store.update(data)
    store.save()


def another_process() -> None:
    """Know nothing, as a process that has just started."""
    trust.forget()


def until_back(seconds: float = 5) -> None:
    """Wait until Redis is asked again. A look counts for the second that has to pass before the next one."""
    deadline = time.monotonic() + seconds
    while not trust.is_redis():
        assert time.monotonic() < deadline, "Redis is not trusted again"
        trust._ticked_at -= FENCE
        trust._redis_from -= FENCE
        with connections[ALIAS].cursor() as cursor:
            cursor.execute("UPDATE sessions_app_storestate SET since = since - make_interval(secs => %s)", [FENCE])
        time.sleep(0.05)


@contextmanager
def frozen(stack: Stack) -> Iterator[None]:
    """Let the server accept connections and never answer."""
    pid = int(sessions_client().info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def killed(stack: Stack) -> None:
    stack.sessions.kill()


def back(stack: Stack) -> None:
    stack.sessions.start()
    until_back()


@contextmanager
def restored_afterwards(stack: Stack) -> Iterator[None]:
    """Whatever happens meanwhile, the server then has the data of before: a snapshot, or a replica that fell behind."""
    sessions_client().config_set("appendfsync", "always")
    snapshot = stack.sessions.data.with_name("snapshot")
    shutil.rmtree(snapshot, ignore_errors=True)
    shutil.copytree(stack.sessions.data, snapshot)
    yield
    stack.sessions.kill()
    shutil.rmtree(stack.sessions.data)
    snapshot.rename(stack.sessions.data)
    stack.sessions.start()


# Redis gone


def test_gone_a_live_session_lives(stack: Stack) -> None:
    mine = session(colour="green")
    stack.sessions.kill()

    assert SessionStore(mine)["colour"] == "green"


def test_gone_somebody_can_begin_and_end_a_session(stack: Stack) -> None:
    stack.sessions.kill()
    mine = session(colour="green")
    assert is_alive(mine)

    SessionStore(mine).delete(mine)

    assert not is_alive(mine)


def test_gone_parallel_writes_to_different_keys_are_both_kept(stack: Stack) -> None:
    mine = session()
    stack.sessions.kill()
    first, second = SessionStore(mine), SessionStore(mine)
    first["a"], second["b"] = 1, 2

    first.save()
    second.save()

    assert {"a", "b"} <= set(SessionStore(mine).keys())


def test_gone_an_ended_session_is_not_written(stack: Stack) -> None:
    mine = session()
    late = SessionStore(mine)
    late["late"] = True
    stack.sessions.kill()
    SessionStore(mine).delete(mine)

    with pytest.raises(UpdateError):
        late.save()


def test_gone_the_first_page_pays_and_the_next_reads_its_row(
    stack: Stack, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    mine = session()
    stack.sessions.kill()
    SessionStore(mine).load()

    with django_assert_num_queries(1, connection=connections[ALIAS]):
        SessionStore(mine).load()


def test_gone_idle_sessions_still_end(stack: Stack) -> None:
    mine = session()
    stack.sessions.kill()
    with connections["sessions"].cursor() as cursor:
        cursor.execute("UPDATE sessions_app_sessionrecord SET last_activity = last_activity - interval '31 minutes'")

    assert not is_alive(mine)


def test_gone_a_person_signs_in_sees_pages_and_signs_out(stack: Stack, client: Client) -> None:
    factories.amara()
    stack.sessions.kill()

    login = client.post("/hyperspace/login/", {"username": "amara", "password": factories.PASSWORD})
    page = client.get(UNITS)
    client.post("/hyperspace/logout/")

    assert (login.status_code, page.status_code, client.get(UNITS).status_code) == (302, 200, 302)


# Redis back


def test_back_what_ended_meanwhile_stays_ended(stack: Stack) -> None:
    mine = session()
    stack.sessions.kill()
    SessionStore(mine).delete(mine)
    back(stack)

    assert not is_alive(mine)
    assert not sessions_client().exists(keys.session(mine))


def test_back_what_was_written_meanwhile_is_there(stack: Stack) -> None:
    mine = session(before=1)
    stack.sessions.kill()
    write(mine, meanwhile=2)
    back(stack)
    write(mine, after=3)

    assert {"before", "meanwhile", "after"} <= set(SessionStore(mine).keys())


def test_back_a_session_begun_meanwhile_lives_in_redis(stack: Stack) -> None:
    stack.sessions.kill()
    mine = session(role="nurse")
    back(stack)

    assert is_alive(mine)
    assert sessions_client().hget(keys.session(mine), "role") == b"nurse"
    assert 0 < sessions_client().ttl(keys.session(mine)) <= 1800


def test_back_an_untouched_session_lives(stack: Stack) -> None:
    mine = session()
    stack.sessions.kill()
    session()
    back(stack)

    assert is_alive(mine)


def test_back_activity_meanwhile_counts_although_redis_saw_none(stack: Stack) -> None:
    mine = session()
    stack.sessions.kill()
    assert stores.load(mine, touch=True)
    stack.sessions.start()
    sessions_client().delete(keys.session(mine))  # its 30 minutes passed in Redis
    until_back()

    assert is_alive(mine)


def who_has_not_heard_of_it(stack: Stack, session_id: str) -> None:
    """Be a process that reads the state just before Redis is back, and comes to speak just after."""
    killed(stack)
    assert is_alive(session_id)
    before = trust.state
    back(stack)
    assert is_alive(session_id)  # for the others it is in Redis again
    trust.state, trust._ticked_at = before, time.monotonic()


def test_back_a_logout_by_who_has_not_heard_of_it_holds(stack: Stack) -> None:
    mine = session()
    who_has_not_heard_of_it(stack, mine)

    SessionStore(mine).delete(mine)

    another_process()
    assert not is_alive(mine)


def test_back_a_write_by_who_has_not_heard_of_it_is_seen(stack: Stack) -> None:
    mine = session()
    who_has_not_heard_of_it(stack, mine)

    write(mine, theme="dark")

    another_process()
    assert SessionStore(mine)["theme"] == "dark"


@pytest.mark.django_db(transaction=True)
def test_back_a_new_role_from_who_has_not_heard_of_it_counts(stack: Stack) -> None:
    client = factories.signed_in(Client(), amara := factories.amara())
    who_has_not_heard_of_it(stack, mine := session_id(client))

    amara.role = User.Role.PHYSICIAN
    follow(amara, actor="root")

    another_process()
    assert SessionStore(mine)["role"] == "physician"


def test_back_is_noticed_by_who_never_stops_writing(stack: Stack) -> None:
    mine = session()
    stack.sessions.kill()
    assert is_alive(mine)
    stack.sessions.start()
    deadline = time.monotonic() + 5

    while not trust.is_redis():
        write(mine, at=time.monotonic())
        assert time.monotonic() < deadline


def test_back_a_save_that_began_before_the_outage_is_merged(stack: Stack) -> None:
    mine = session()
    slow = SessionStore(mine)
    slow["slow"] = 1
    stack.sessions.kill()
    write(mine, meanwhile=2)
    back(stack)

    slow.save()

    assert {"slow", "meanwhile"} <= set(SessionStore(mine).keys())


def test_back_a_save_that_began_before_a_logout_in_the_outage_is_refused(stack: Stack) -> None:
    mine = session()
    slow = SessionStore(mine)
    slow["slow"] = 1
    stack.sessions.kill()
    SessionStore(mine).delete(mine)
    back(stack)

    with pytest.raises(UpdateError):
        slow.save()


# Redis hangs


def test_hanging_costs_one_timeout_and_then_nothing(stack: Stack) -> None:
    mine = session()
    with frozen(stack):
        started = time.perf_counter()
        assert is_alive(mine)
        first = time.perf_counter() - started
        assert is_alive(mine)
        second = time.perf_counter() - started - first

    assert first < 1 + 1  # the tests' time-out, and a busy machine
    assert second < 0.5


def test_hanging_a_logout_holds_when_it_wakes(stack: Stack) -> None:
    mine = session()
    with frozen(stack):
        SessionStore(mine).delete(mine)
    until_back()

    assert not is_alive(mine)


def test_hanging_a_write_is_kept_when_it_wakes(stack: Stack) -> None:
    mine = session()
    with frozen(stack):
        write(mine, meanwhile=1)
    until_back()
    write(mine, after=2)

    assert {"meanwhile", "after"} <= set(SessionStore(mine).keys())


# Redis restarted with data from before, or a replica promoted that had fallen behind: no request failed in between


def test_old_data_does_not_revive_a_logout(stack: Stack) -> None:
    mine = session()
    with restored_afterwards(stack):
        SessionStore(mine).delete(mine)

    assert not is_alive(mine)


def test_old_data_does_not_revive_a_logout_for_a_new_process(stack: Stack) -> None:
    mine = session()
    with restored_afterwards(stack):
        SessionStore(mine).delete(mine)
    another_process()

    assert not is_alive(mine)


def test_old_data_does_not_undo_a_write(stack: Stack) -> None:
    mine = session()
    with restored_afterwards(stack):
        write(mine, later=1)

    assert SessionStore(mine)["later"] == 1


def test_old_data_does_not_swallow_a_save_under_way(stack: Stack) -> None:
    mine = session()
    with restored_afterwards(stack):
        write(mine, later=1)
        slow = SessionStore(mine)
        slow["slow"] = 2

    slow.save()

    assert {"later", "slow"} <= set(SessionStore(mine).keys())


def test_old_data_does_not_lose_a_new_session(stack: Stack) -> None:
    with restored_afterwards(stack):
        mine = session()

    assert is_alive(mine)


def test_old_data_does_not_bring_back_an_old_role(stack: Stack) -> None:
    mine = session(role="physician")
    with restored_afterwards(stack):
        write(mine, role="nurse")

    assert SessionStore(mine)["role"] == "nurse"
    assert sessions_client().hget(keys.session(mine), "role") == b"nurse"


# Redis emptied


def test_emptied_a_live_session_lives(stack: Stack) -> None:
    mine = session(colour="green")
    sessions_client().flushall()

    assert SessionStore(mine)["colour"] == "green"
    assert sessions_client().exists(keys.session(mine))


def test_emptied_an_ended_session_stays_ended(stack: Stack) -> None:
    mine = session()
    SessionStore(mine).delete(mine)
    sessions_client().flushall()

    assert not is_alive(mine)


def test_emptied_between_load_and_save_nothing_is_lost(stack: Stack) -> None:
    mine = session()
    slow = SessionStore(mine)
    slow["slow"] = 1
    sessions_client().flushall()

    slow.save()

    assert SessionStore(mine)["slow"] == 1


def test_emptied_and_filled_by_others_everybody_is_still_there(stack: Stack) -> None:
    first, second = session(), session()
    sessions_client().flushall()

    assert is_alive(first)
    assert is_alive(second)


# PostgreSQL away


@pytest.mark.django_db(transaction=True)
def test_without_postgresql_redis_answers_and_a_logout_is_recorded_later(stack: Stack) -> None:
    mine, other = session(), session()
    connections.close_all()
    stack.postgres.kill()
    SessionStore(mine).delete(mine)
    assert is_alive(other)
    stack.postgres.start()
    trust.distrust()

    assert not is_alive(mine)
    assert is_alive(other)


@pytest.mark.django_db(transaction=True)
def test_after_postgresql_was_away_a_process_hears_of_the_others_again(stack: Stack) -> None:
    look()
    known_at = trust.state.read_at
    stack.postgres.kill()
    stack.postgres.start()

    trust._ticked_at -= FENCE
    look()

    assert trust.state.read_at > known_at


@pytest.mark.django_db(transaction=True)
def test_without_postgresql_a_cookie_that_cannot_be_put_on_record_gets_503(client: Client, stack: Stack) -> None:
    client.cookies[settings.SESSION_COOKIE_NAME] = "none of ours"
    connections.close_all()
    stack.postgres.kill()
    client.raise_request_exception = False

    response = client.get("/hyperspace/")

    stack.postgres.start()
    assert response.status_code == 503


# Redis answers, with a refusal


RESET = (
    "REPLICAOF NO ONE",
    "CONFIG SET maxmemory 0",
    "CONFIG SET min-replicas-to-write 0",
    "CONFIG SET replica-serve-stale-data yes",
    "CONFIG SET save ",
)
REFUSALS = {
    "OOM": ["CONFIG SET maxmemory 1"],
    "NOREPLICAS": ["CONFIG SET min-replicas-to-write 1"],
    "READONLY": ["REPLICAOF 127.0.0.1 1"],
    "MASTERDOWN": ["CONFIG SET replica-serve-stale-data no", "REPLICAOF 127.0.0.1 1"],
    "MISCONF": ["CONFIG SET save 3600 1", "BGSAVE"],  # a snapshot that fails
}


def ask(*commands: str) -> None:
    for command in commands:
        verb, *rest = command.split(" ", 3)
        sessions_client().execute_command(verb, *rest)  # type: ignore[no-untyped-call]  # redis-py's


@contextmanager
def refusing(stack: Stack, refusal: str) -> Iterator[None]:
    """Have the server answer and refuse to work."""
    obstacle = stack.sessions.data / "dump.rdb"
    obstacle.mkdir()  # where a snapshot would be
    ask(*REFUSALS[refusal])
    while sessions_client().info("persistence")["rdb_bgsave_in_progress"]:
        time.sleep(0.01)
    try:
        with pytest.raises(RedisError):
            sessions_client().set("probe", 1)
        yield
    finally:
        ask(*RESET)
        obstacle.rmdir()


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_is_an_outage_that_loses_nothing_and_brings_nothing_back(
    stack: Stack, client: Client, refusal: str
) -> None:
    factories.signed_in(client, factories.amara())
    mine, ended = session(before=1), session()

    with refusing(stack, refusal):
        assert client.get(UNITS).status_code == 200
        write(mine, meanwhile=2)
        SessionStore(ended).delete(ended)
        begun = session(begun=3)
        assert [is_alive(each) for each in (mine, ended, begun)] == [True, False, True]
        assert not trust.is_redis()
    until_back()
    write(mine, after=4)

    assert {"before", "meanwhile", "after"} <= set(SessionStore(mine).keys())
    assert [is_alive(each) for each in (ended, begun)] == [False, True]
    assert not sessions_client().exists(keys.session(ended))


def test_while_redis_is_away_operators_and_who_signs_in_are_told(stack: Stack, client: Client) -> None:
    stack.sessions.kill()
    client.force_login(User.objects.create_superuser("root", password=factories.PASSWORD))

    assert "Sessions are served from PostgreSQL" in client.get("/admin/").content.decode()
    assert "A part of epicops is away" in Client().get("/hyperspace/login/").content.decode()
    assert "epicops_sessions_fallback 1.0" in exposition().decode()


def test_what_ended_stays_so_although_postgresql_was_put_back_and_forgot_a_generation(stack: Stack) -> None:
    trust.distrust()
    mine = session()
    with connections[ALIAS].cursor() as cursor:  # a standby that was promoted too early, or a backup of before
        cursor.execute("UPDATE sessions_app_storestate SET generation = generation - 1")
    another_process()

    with frozen(stack):
        stores.end(mine, "logout")
    until_back()

    assert not is_alive(mine)
