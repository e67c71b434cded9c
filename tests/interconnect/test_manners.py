"""How the worker behaves towards those who run it."""

import os
import pty
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from epicops.embedded.stack import Stack
from epicops.redis_client import Redis, queue_client
from interconnect.consumer.ownership import owners
from interconnect.models import DeadLetter, InboundMessage
from tests.builders import drain, oru, push
from tests.processes import PROJECT, ManageProcess
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


def out_of_memory(client: Redis, *, on: bool) -> None:
    client.config_set("maxmemory", "1" if on else "0")


def read_only(client: Redis, *, on: bool) -> None:
    client.replicaof(*("127.0.0.1", "1") if on else ("NO", "ONE"))


def master_down(client: Redis, *, on: bool) -> None:
    client.config_set("replica-serve-stale-data", "no" if on else "yes")
    read_only(client, on=on)


@pytest.mark.parametrize("unwell", [out_of_memory, read_only, master_down])
def test_a_server_that_answers_with_an_error_of_its_own_is_an_outage(
    unwell: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    push(oru())
    unwell(queue_client(), on=True)
    waited: list[float] = []

    def well_again_at_the_third_try(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            unwell(queue_client(), on=False)

    monkeypatch.setattr(time, "sleep", well_again_at_the_third_try)
    try:
        drain()
    finally:
        unwell(queue_client(), on=False)

    assert InboundMessage.objects.get().status == "applied"
    assert not DeadLetter.objects.exists()
    assert [record.message for record in caplog.records if "worker" in record.message] == [
        "worker waits",
        "worker goes on",
    ]


def test_a_strict_worker_does_not_start_where_messages_can_be_lost(capsys: pytest.CaptureFixture[str]) -> None:
    queue_client().config_set("appendfsync", "everysec")
    try:
        with pytest.raises(CommandError, match="not met"):
            call_command("consume_interconnect", "--strict", "--drain")
    finally:
        queue_client().config_set("appendfsync", "always")

    assert "everysec loses acknowledged messages when the disk is slow" in capsys.readouterr().err


def test_a_worker_tells_systemd_and_prometheus(
    manage: Callable[..., ManageProcess], process_environment: dict[str, str], tmp_path: Path
) -> None:
    push(oru())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        process_environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        worker = manage("consume_interconnect", "--metrics-port", "0")

        told = [systemd.recv(200) for _ in range(4)]
        metrics = scrape(worker)
        worker.stop()

    assert told[0] == b"READY=1\nSTATUS=standing by"
    assert b"STATUS=owns the queue" in told
    assert b"WATCHDOG=1" in told
    assert 'epicops_worker_is_owner{lane="0"} 1.0' in metrics


def test_one_port_has_the_metrics_of_all_lanes(manage: Callable[..., ManageProcess]) -> None:
    push(*(oru(f"M{number}") for number in range(20)))
    worker = manage("consume_interconnect", "--lanes", "2", "--metrics-port", "0")

    def delivered() -> dict[str, float]:
        found = re.findall(r'epicops_worker_messages_total{lane="(\d)",status="applied"} (\S+)', scrape(worker))
        return {lane: float(number) for lane, number in found}

    until(lambda: sum(delivered().values()) == 20)

    assert {lane for lane, number in delivered().items() if number} == {"1", "2"}
    assert worker.stop() == 0


def test_lanes_end_in_good_order_when_what_started_them_is_killed(manage: Callable[..., ManageProcess]) -> None:
    worker = manage("consume_interconnect", "--lanes", "2")
    until(lambda: len(owners()) == 3)

    worker.kill()

    until(lambda: not owners())


def test_on_a_terminal_the_worker_shows_how_far_it_is(process_environment: dict[str, str]) -> None:
    push(oru(), oru(minutes=2))
    mine, its = pty.openpty()
    process_environment |= {"TERM": "xterm", "COLUMNS": "200"}
    command = [sys.executable, str(PROJECT / "manage.py"), "consume_interconnect"]
    worker = subprocess.Popen(command, env=process_environment, stdout=its, stderr=subprocess.DEVNULL)
    shown = ""
    while not re.search("0 waiting, 0 in flight.*0 dead of 2", shown):
        shown += os.read(mine, 4096).decode(errors="replace")
    worker.terminate()

    assert worker.wait() == 0


def scrape(worker: ManageProcess) -> str:
    """Return the metrics of a worker that was given the port 0."""
    worker.wait_for("metrics served")
    served = re.search(r'"port": ?(\d+)', worker.stderr)
    assert served
    with urllib.request.urlopen(f"http://127.0.0.1:{served[1]}/metrics") as page:
        return str(page.read().decode())


def test_the_counts_can_be_watched(manage: Callable[..., ManageProcess]) -> None:
    watching = manage("interconnect_status", "--watch", "0.1")

    watching.wait_for("dead letters")

    assert watching.stop() == 0


def test_who_watches_sees_that_postgresql_is_back(manage: Callable[..., ManageProcess], stack: Stack) -> None:
    watching = manage("interconnect_status", "--watch", "0.1")
    watching.wait_for("dead letters")
    connections.close_all()

    stack.postgres.kill()
    watching.wait_for("PostgreSQL is away")
    stack.postgres.start()

    seen = watching.stdout.count("dead letters")
    until(lambda: watching.stdout.count("dead letters") > seen)
