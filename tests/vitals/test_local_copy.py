"""A process' own copies: dropped when the server tells of a change, and unused when it can no longer tell."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from epicops.clock import now
from epicops.embedded.stack import Stack
from epicops.redis_client import Redis, cache_tracking_connection
from tests import factories
from tests.waiting import until
from vitals import cache
from vitals.cache import read_beds, write_through
from vitals.documents import Encounter, Source
from vitals.fence import client
from vitals.local_copy import CONFIRMED_WITHIN, LocalCopies

KEY = "patient:bed427:vitals"


@pytest.fixture(params=["valkey", "redis-server"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Redis]:
    """The run's Valkey; and this machine's Redis, if it has one."""
    if request.param == "valkey":
        yield client()
        return
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on this machine")
    socket = tmp_path / "redis.sock"
    arguments = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen([binary, *arguments], stdout=subprocess.DEVNULL)
    until(socket.exists)
    address = f"unix://{socket}"
    with Redis.from_url(address) as redis, override_settings(EPICOPS_REDIS_CACHE_URL=address):
        yield redis
    process.terminate()
    process.wait()


@pytest.fixture
def copies(server: Redis) -> Iterator[LocalCopies]:
    yield from following(LocalCopies(cache_tracking_connection))


def following(copies: LocalCopies) -> Iterator[LocalCopies]:
    copies.start()
    until(lambda: copies.is_confirmed)
    yield copies
    copies.stop()


def keep(copies: LocalCopies, key: str = KEY, *, size: int = 10, seconds: float = 60) -> None:
    copies.put(key, "copy", size, now() + seconds, copies.ticket())


CHANGES: dict[str, Callable[[Redis], object]] = {
    "string": lambda redis: redis.set("patient:bed427:vitals", "x"),
    "hash": lambda redis: redis.hset("bed:bed427:location", "unit", "A"),
    "set": lambda redis: redis.sadd("nurse:7:patients", 1),
}
NAMES = {"string": KEY, "hash": "bed:bed427:location", "set": "nurse:7:patients"}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_by_anyone_drops_the_copy(server: Redis, copies: LocalCopies, kind: str) -> None:
    keep(copies, NAMES[kind])
    keep(copies, "patient:other:vitals")

    CHANGES[kind](server)

    until(lambda: copies.get(NAMES[kind]) is None)
    assert copies.get("patient:other:vitals") == "copy"


def test_what_was_read_before_a_change_is_not_kept_after_it(server: Redis, copies: LocalCopies) -> None:
    ticket = copies.ticket()
    server.set(KEY, "newer")
    until(lambda: copies.ticket() > ticket)

    copies.put(KEY, "older", 10, now() + 60, ticket)

    assert copies.get(KEY) is None


def test_an_emptied_server_empties_the_copies(server: Redis, copies: LocalCopies) -> None:
    keep(copies)

    server.flushall()

    until(lambda: copies.get(KEY) is None)


def test_a_copy_ends_with_its_key_whatever_the_server_says(copies: LocalCopies) -> None:
    keep(copies, seconds=0.05)
    assert copies.get(KEY) == "copy"

    time.sleep(0.06)

    assert copies.get(KEY) is None


def test_a_cut_connection_empties_the_copies_and_comes_back(server: Redis, copies: LocalCopies) -> None:
    keep(copies)
    ticket = copies.ticket()

    server.client_kill_filter(_type="normal")

    until(lambda: copies.get(KEY) is None)
    until(lambda: copies.is_confirmed)
    copies.put(KEY, "asked before the cut", 10, now() + 60, ticket)
    assert copies.get(KEY) is None


def test_a_frozen_server_is_believed_for_a_second_at_most(stack: Stack) -> None:
    for copies in following(LocalCopies(cache_tracking_connection)):
        keep(copies)
        assert stack.cache._process is not None
        os.kill(stack.cache._process.pid, signal.SIGSTOP)
        try:
            until(lambda: copies.get(KEY) is None, CONFIRMED_WITHIN + 0.2)  # noqa: B023
        finally:
            os.kill(stack.cache._process.pid, signal.SIGCONT)

        until(lambda: copies.is_confirmed)  # noqa: B023


def test_copies_stay_within_their_budget() -> None:
    for copies in following(LocalCopies(cache_tracking_connection, budget=1000)):
        for number in range(20):
            keep(copies, f"patient:{number}:vitals", size=100)
        keep(copies, "patient:huge:vitals", size=126)

        assert copies.size == 1000
        assert copies.get("patient:9:vitals") is None
        assert copies.get("patient:19:vitals") == "copy"
        assert copies.get("patient:huge:vitals") is None


def test_a_forked_child_has_no_copies_and_leaves_its_parent_alone() -> None:
    for copies in following(LocalCopies(cache_tracking_connection)):
        keep(copies)

        child = os.fork()
        if child == 0:
            os._exit(int(copies.get(KEY) is not None or copies.is_confirmed))

        assert os.waitpid(child, 0)[1] == 0
        assert copies.get(KEY) == "copy"
        time.sleep(0.5)
        assert copies.is_confirmed


@pytest.mark.django_db(transaction=True)
def test_a_bed_read_again_comes_from_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for copies in following(LocalCopies(cache_tracking_connection)):
        monkeypatch.setattr(cache, "copies", copies)
        bed = factories.bed()
        visit = factories.admit(bed)
        factories.observe(visit, hr=78)
        write_through([bed.pk])
        until(lambda: read_beds([bed])[bed.pk].source is Source.LOCAL)  # noqa: B023
        time.sleep(0.05)

        vitals = read_beds([bed])[bed.pk]
        assert vitals.readings[0].text == "78"
        assert 0.04 < vitals.age < 60

        assert read_beds([bed], {bed.pk: Encounter(visit.pk + 1, visit.patient_id)})[bed.pk].source is not Source.LOCAL
        factories.observe(visit, hr=140)
        write_through([bed.pk])
        until(lambda: read_beds([bed])[bed.pk].readings[0].text == "140")  # noqa: B023
