"""Four processes at once: a logout in one is honoured by all within a second, whichever store they go by."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import TypeAlias

import pytest

from epicops.embedded.stack import Stack
from epicops.redis_client import sessions_client
from sessions_app.backend import SessionStore
from sessions_app.trust import trust
from tests.processes import FORKED
from tests.session_reader import tell

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PROCESSES = 4
Reader: TypeAlias = "Connection[str, bool]"


@pytest.fixture
def readers(process_environment: dict[str, str]) -> Iterator[list[Reader]]:
    """Processes that answer for each session id whether it is alive."""
    environment = process_environment | {"DJANGO_SETTINGS_MODULE": "epicops.settings"}
    pipes = [FORKED.Pipe() for _ in range(PROCESSES)]
    started = [FORKED.Process(target=tell, args=(environment, theirs)) for _, theirs in pipes]
    for process in started:
        process.start()
    yield [ours for ours, _ in pipes]
    for process in started:
        process.kill()
        process.join()


def answers(readers: Sequence[Reader], session_id: str) -> list[bool]:
    for reader in readers:
        reader.send(session_id)
    assert all(reader.poll(30) for reader in readers)
    return [reader.recv() for reader in readers]


def begin() -> str:
    session = SessionStore()
    session["user"] = "17"
    session.save()
    return str(session.session_key)


def end(session_id: str) -> None:
    SessionStore(session_id).delete(session_id)


def seconds_until_all_refuse(readers: Sequence[Reader], session_id: str) -> float:
    started = time.monotonic()
    while any(answers(readers, session_id)):
        assert time.monotonic() - started < 5
    return time.monotonic() - started


def test_while_redis_answers(readers: list[Reader]) -> None:
    mine = begin()
    assert all(answers(readers, mine))

    end(mine)

    assert not any(answers(readers, mine))


def test_while_redis_is_away(readers: list[Reader], stack: Stack) -> None:
    mine = begin()
    stack.sessions.kill()
    assert all(answers(readers, mine))

    end(mine)

    assert not any(answers(readers, mine))


def test_when_only_this_process_thinks_that_redis_is_away(readers: list[Reader]) -> None:
    mine = begin()
    assert all(answers(readers, mine))
    trust.fall_back(ConnectionError())  # as if the network between this one and Redis were cut

    end(mine)

    assert seconds_until_all_refuse(readers, mine) <= 2


def test_after_redis_came_back(readers: list[Reader]) -> None:
    mine, other = begin(), begin()
    assert all(answers(readers, mine))
    pid = int(sessions_client().info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    end(mine)
    os.kill(pid, signal.SIGCONT)

    assert seconds_until_all_refuse(readers, mine) <= 2
    assert all(answers(readers, other))
