"""Four processes at once: a logout in one is honoured by all within a second, whichever store they go by."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import pytest

from epicops.embedded.stack import Stack
from epicops.redis_client import sessions_client
from sessions_app.backend import SessionStore
from sessions_app.trust import trust
from tests.processes import PROJECT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PROCESSES = 4
READER = """
import django; django.setup()
import sys
from sessions_app.backend import SessionStore
from sessions_app.trust import watch
watch()
for line in sys.stdin:
    print(int(bool(SessionStore(line.strip()).load())), flush=True)
"""


@pytest.fixture
def readers(process_environment: dict[str, str]) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that answer for each session id whether it is alive."""
    environment = process_environment | {"DJANGO_SETTINGS_MODULE": "epicops.settings"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", READER],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    yield started
    for process in started:
        process.kill()
        process.communicate()


def answers(readers: Sequence[subprocess.Popen[str]], session_id: str) -> list[bool]:
    for process in readers:
        assert process.stdin is not None
        process.stdin.write(f"{session_id}\n")
        process.stdin.flush()
    return [process.stdout is not None and process.stdout.readline() == "1\n" for process in readers]


def begin() -> str:
    session = SessionStore()
    session["user"] = "17"
    session.save()
    return str(session.session_key)


def end(session_id: str) -> None:
    SessionStore(session_id).delete(session_id)


def seconds_until_all_refuse(readers: Sequence[subprocess.Popen[str]], session_id: str) -> float:
    started = time.monotonic()
    while any(answers(readers, session_id)):
        assert time.monotonic() - started < 5
    return time.monotonic() - started


def test_while_redis_answers(readers: list[subprocess.Popen[str]]) -> None:
    mine = begin()
    assert all(answers(readers, mine))

    end(mine)

    assert not any(answers(readers, mine))


def test_while_redis_is_away(readers: list[subprocess.Popen[str]], stack: Stack) -> None:
    mine = begin()
    stack.sessions.kill()
    assert all(answers(readers, mine))

    end(mine)

    assert not any(answers(readers, mine))


def test_when_only_this_process_thinks_that_redis_is_away(readers: list[subprocess.Popen[str]]) -> None:
    mine = begin()
    assert all(answers(readers, mine))
    trust.fall_back(ConnectionError())  # as if the network between this one and Redis were cut

    end(mine)

    assert seconds_until_all_refuse(readers, mine) <= 1.1


def test_after_redis_came_back(readers: list[subprocess.Popen[str]]) -> None:
    mine, other = begin(), begin()
    assert all(answers(readers, mine))
    pid = int(sessions_client().info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    end(mine)
    os.kill(pid, signal.SIGCONT)

    assert seconds_until_all_refuse(readers, mine) <= 1.1
    assert all(answers(readers, other))
