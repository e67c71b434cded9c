#!/usr/bin/env python
"""The worker beside task frameworks and a naive loop: messages per second from a full queue to committed rows.

Run it as: script/with-stack benchmarks/interconnect.py [--quick] [--json]; the peers need requirements/bench.txt.

All work off the same generated messages, half ADT and half ORU^R01, in turns within one run. `--values` says how many
values an ORU^R01 has: two, as in the study that the targets come from, or up to the six of the simulator. The naive
loop does what a first attempt would: RPOP, python-hl7, one row saved. The frameworks do that as tasks. Neither has
effects on patients, dead letters or audit events; the worker has and does all of that. The floors are what the worker's
parts cost by themselves: claims, reading messages, COPY of their rows.
"""

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epicops.settings")
os.environ.setdefault("EPICOPS_LOG_LEVEL", "ERROR")

import django

django.setup()

from datetime import UTC, datetime, timedelta

import hl7
import psutil  # type: ignore[import-untyped]  # it ships none
from django.db import transaction
from django.db.models import Max, Min
from rich.console import Console
from rich.table import Table

from benchmarks import peers
from epicops import keys
from epicops.bulk import copy_rows, next_ids
from epicops.redis_client import queue_client
from epicops.shutdown import StopFlag
from interconnect.consumer.delivery import COLUMNS, Delivery
from interconnect.consumer.queue import InboundQueue, uuid7
from interconnect.consumer.worker import Worker
from interconnect.management.commands.consume_interconnect import MAX_BATCH, OBJECTS_PER_COLLECTION
from interconnect.models import Batch, InboundMessage
from interconnect.simulator import generate

PUSH = 1000  # messages per LPUSH
WAIT_SECONDS = 60

Messages = list[bytes]


def generated(count: int, values: int, *, seed: int, start: datetime) -> Messages:
    """Return what the simulator sends, with the first `values` OBX of each ORU^R01."""

    def cut(message: bytes) -> bytes:
        segments = message.split(b"\r")
        return b"\r".join(s for s in segments if not s.startswith(b"OBX|") or int(s.split(b"|")[1]) <= values)

    return [cut(message) for message in generate(count, seed=seed, beds=500, start=start)]


def fill(messages: Messages) -> None:
    for start in range(0, len(messages), PUSH):
        queue_client().lpush(keys.QUEUE, *messages[start : start + PUSH])


def timed(work: Callable[[], None], number: int) -> float:
    """Return how many of `number` per second `work` gets through."""
    started = time.perf_counter()
    work()
    return number / (time.perf_counter() - started)


def worker(messages: Messages) -> float:
    fill(messages)
    before = InboundMessage.objects.count()
    run = Worker(queue_client(), size=MAX_BATCH, drain=True, stop=StopFlag()).run
    rate = timed(run, len(messages))
    if InboundMessage.objects.count() - before != len(messages):
        raise SystemExit("messages are missing: the figure would mean nothing")
    return rate


def naive_loop(messages: Messages) -> float:
    fill(messages)
    batch = str(Batch.objects.create(id=uuid7(), size=0, worker="naive").pk)

    def work() -> None:
        ordinal = 0
        while isinstance(raw := queue_client().rpop(keys.QUEUE), bytes):
            peers.store(batch, ordinal, raw.decode())
            ordinal += 1

    return timed(work, len(messages))


def peer(name: str, messages: Messages) -> float:
    """Return the rate between the first and the last row, so that a framework's start is not counted."""
    batch = Batch.objects.create(id=uuid7(), size=0, worker=name[:100])
    peers.PEERS[name]([(str(batch.pk), number, raw.decode()) for number, raw in enumerate(messages)])
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.peers", name], cwd=HERE.parent, stdout=subprocess.DEVNULL
    )
    try:
        rows = InboundMessage.objects.filter(batch=batch)
        deadline = time.monotonic() + WAIT_SECONDS
        while rows.count() < len(messages):
            if time.monotonic() > deadline:
                raise SystemExit(f"{name} did not finish")
            time.sleep(0.1)
    finally:
        for child in (*psutil.Process(process.pid).children(recursive=True), process):
            child.kill()
        process.wait()
        queue_client().flushdb()
    span = rows.aggregate(first=Min("applied_at"), last=Max("applied_at"))
    seconds: float = (span["last"] - span["first"]).total_seconds()
    return (len(messages) - 1) / seconds


def claims(messages: Messages) -> float:
    fill(messages)
    queue = InboundQueue(queue_client(), "floor")
    queue.take_over()

    def work() -> None:
        while claim := queue.claim(MAX_BATCH):
            queue.acknowledge(claim)

    return timed(work, len(messages))


def reading(messages: Messages) -> float:
    def work() -> None:
        for raw in messages:
            Delivery(0, raw).interpret()

    return timed(work, len(messages))


def copying(messages: Messages) -> float:
    claims = [
        [Delivery(number, raw).interpret() for number, raw in enumerate(messages[start : start + MAX_BATCH])]
        for start in range(0, len(messages), MAX_BATCH)
    ]

    def work() -> None:
        for deliveries in claims:
            with transaction.atomic():
                batch = Batch.objects.create(id=uuid7(), size=0, worker="floor")
                for delivery, pk in zip(deliveries, next_ids(InboundMessage, len(deliveries)), strict=True):
                    delivery.message_id = pk
                copy_rows(InboundMessage, COLUMNS, (delivery.row(batch.pk) for delivery in deliveries))

    return timed(work, len(messages))


def latencies(count: int) -> list[float]:
    """Return milliseconds from a push to its visible commit, at 10,000 messages an hour."""
    process = subprocess.Popen([sys.executable, HERE.parent / "manage.py", "consume_interconnect"])
    found = []
    try:
        for raw in generate(count + 1, seed=99, start=datetime(2026, 7, 1, tzinfo=UTC)):
            control_id = hl7.parse(raw.decode()).segment("MSH")[10]
            started = time.perf_counter()
            queue_client().lpush(keys.QUEUE, raw)
            while not InboundMessage.objects.filter(control_id=str(control_id)).exists():
                time.sleep(0.001)
            found.append((time.perf_counter() - started) * 1000)
            time.sleep(max(0.0, 0.36 - found[-1] / 1000))
    finally:
        process.terminate()
        process.wait()
    return found[1:]  # the first waited for the worker's start


def measure(values: int, *, quick: bool) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Run everything in turns; return the rates by contender, and the other figures."""
    sizes = {"worker": 4_000, "naive loop": 600, "RQ SimpleWorker": 150, "Celery acks_late": 300, "Dramatiq": 400}
    if not quick:
        sizes = {"worker": 20_000, "naive loop": 5_000, **dict.fromkeys(peers.PEERS, 2_000)}
    rates: dict[str, list[float]] = {}
    for number in range(2 if quick else 5):
        start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
        messages = generated(sizes["worker"], values, seed=number, start=start)
        for name, size in sizes.items():
            run = {"worker": worker, "naive loop": naive_loop}.get(name)
            rates.setdefault(name, []).append(run(messages[:size]) if run else peer(name, messages[:size]))
        for name, floor in (("floor: claim", claims), ("floor: reading", reading), ("floor: COPY", copying)):
            rates.setdefault(name, []).append(floor(messages))
    waits = sorted(latencies(20 if quick else 300))
    figures = {"p99_ms": waits[int(len(waits) * 0.99)], "p50_ms": statistics.median(waits)}
    if not quick:
        before = psutil.Process().memory_info().rss
        spike = generated(60_000, values, seed=77, start=datetime(2026, 6, 1, tzinfo=UTC))
        figures["spike_seconds"] = len(spike) / worker(spike)
        del spike
        figures["memory_growth_mib"] = (psutil.Process().memory_info().rss - before) / 2**20
    return rates, figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer messages; ends within 45 s on two cores")
    parser.add_argument("--values", type=int, choices=range(1, 7), default=2, help="of each ORU^R01 (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    options = parser.parse_args()
    gc.set_threshold(OBJECTS_PER_COLLECTION)  # as the worker's command does
    rates, figures = measure(options.values, quick=options.quick)
    medians = {name: statistics.median(runs) for name, runs in rates.items()}
    serial = 1 / sum(1 / rate for name, rate in medians.items() if name.startswith("floor"))
    figures |= {
        "messages_per_second": medians["worker"],
        "times_naive": medians["worker"] / medians["naive loop"],
        "times_rq": medians["worker"] / medians["RQ SimpleWorker"],
        "share_of_serial_floor": medians["worker"] / serial,
    }
    if not options.json:
        table = Table("", "messages/s", "lowest", "highest", "worker is", title="From a full queue to committed rows")
        for name, runs in rates.items():
            cells = (f"{cell:,.0f}" for cell in (medians[name], min(runs), max(runs)))
            table.add_row(name, *cells, f"{medians['worker'] / medians[name]:.1f} x")
        Console().print(table)
    report = {name: round(figure, 2) for name, figure in {**medians, **figures}.items()}
    print(json.dumps({"figures": report, "targets": targets(figures)}))


AT_LEAST = {"messages_per_second": 8000, "times_naive": 3, "times_rq": 60, "share_of_serial_floor": 0.3}
AT_MOST = {"p99_ms": 50, "spike_seconds": 10}


def targets(figures: dict[str, float]) -> dict[str, dict[str, float]]:
    """Return each target and whether it is met; those that --quick does not measure are left out."""
    goals: dict[str, dict[str, float]] = {}
    for name, goal in AT_LEAST.items():
        goals[name] = {"at_least": goal, "met": figures[name] >= goal}
    for name, goal in AT_MOST.items():
        if name in figures:
            goals[name] = {"at_most": goal, "met": figures[name] <= goal}
    return goals


if __name__ == "__main__":
    main()
