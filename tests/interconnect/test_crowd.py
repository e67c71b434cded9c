"""Senders that take long take nothing from the others."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from interconnect.wire.mllp import wrap
from tests.mllp import Listen, Sender, message

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

DRIBBLING, HALF_OPEN = 500, 2000
SECONDS = 4


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for the crowd's sockets, here and in the processes started from here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def crowd(port: int, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in range(count)]


def waits(sender: Sender, dribbling: list[socket.socket]) -> list[float]:
    """Send one message after another while each dribbler sends a byte a second; return the seconds to each answer."""
    found: list[float] = []
    share = len(dribbling) // 10
    for tenth in range(SECONDS * 10):
        turn = tenth % 10
        for dribbler in dribbling[turn * share : (turn + 1) * share]:
            dribbler.send(b"\x0b" if tenth < 10 else b"M")
        for number in range(5):
            started = time.perf_counter()
            assert sender.exchange(wrap(message(tenth * 5 + number)))[0][0] == "AA"
            found.append(time.perf_counter() - started)
        time.sleep(max(0.0, 0.1 - sum(found[-5:])))
    return sorted(found)


@pytest.mark.usefixtures("many_files")
def test_a_crowd_of_slow_senders_does_not_slow_a_good_one(listen: Listen) -> None:
    limit = str(DRIBBLING + HALF_OPEN + 10)
    listener = listen("--max-connections", limit, "--max-per-peer", limit)
    with crowd(listener.port, HALF_OPEN), crowd(listener.port, DRIBBLING) as dribbling:
        found = waits(listener.connect(), dribbling)
        status = Path(f"/proc/{listener.process.pid}/status").read_text()

    memory = int(status.partition("VmHWM:")[2].split()[0])  # kB
    assert found[len(found) * 99 // 100] < 0.1
    assert memory < 300_000
    print(f"p99 {1000 * found[len(found) * 99 // 100]:.1f} ms, peak {memory // 1000} MB")  # noqa: T201  pytest -s
