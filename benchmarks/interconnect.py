#!/usr/bin/env python
"""The worker beside a naive loop: messages per second from a full queue to committed rows.

Run it as: script/with-stack benchmarks/interconnect.py [--quick] [--json]

Both drain the same generated messages, half ADT and half ORU^R01, in turns within one run. The naive loop does what a
first attempt would: RPOP, python-hl7, one InboundMessage saved per message. It has no effects on patients, no audit
events, and loses what it popped when it dies; the worker has and does all of that.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epicops.settings")
os.environ.setdefault("EPICOPS_LOG_LEVEL", "ERROR")

import django

django.setup()

import hashlib
from datetime import UTC, datetime, timedelta

import hl7
from rich.console import Console
from rich.table import Table

from epicops import keys
from epicops.redis_client import queue_client
from epicops.shutdown import StopFlag
from interconnect.models import Batch, InboundMessage
from interconnect.queue import uuid7
from interconnect.simulator import generate
from interconnect.worker import Worker

TARGET = 3.0  # times the naive loop
PUSH = 1000  # messages per LPUSH


def drain_with_worker() -> None:
    Worker(queue_client(), size=200, drain=True, stop=StopFlag()).run()


def drain_naively() -> None:
    batch = Batch.objects.create(id=uuid7(), size=0, worker="naive")
    ordinal = 0
    while isinstance(raw := queue_client().rpop(keys.QUEUE), bytes):
        message = hl7.parse(raw.decode())
        header = message.segment("MSH")
        InboundMessage(
            batch=batch,
            ordinal=ordinal,
            status=InboundMessage.Status.APPLIED,
            message_type=f"{header[9][0][0]}^{header[9][0][1]}",
            control_id=str(header[10]),
            sending_application=str(header[3]),
            sending_facility=str(header[4]),
            raw=raw,
            sha256=hashlib.sha256(raw).digest(),
        ).save(force_insert=True)
        ordinal += 1


def rate(drain: Callable[[], None], messages: list[bytes]) -> float:
    """Return messages per second; filling the queue is not counted."""
    for start in range(0, len(messages), PUSH):
        queue_client().lpush(keys.QUEUE, *messages[start : start + PUSH])
    before = InboundMessage.objects.count()
    started = time.perf_counter()
    drain()
    seconds = time.perf_counter() - started
    if InboundMessage.objects.count() - before != len(messages):
        raise SystemExit("messages are missing: the figure would mean nothing")
    return len(messages) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer messages; ends within 45 s on two cores")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    options = parser.parse_args()
    count, naive_count, repeats = (4_000, 1_000, 3) if options.quick else (20_000, 5_000, 5)

    rates: dict[str, list[float]] = {"worker": [], "naive loop": []}
    for number in range(repeats):
        start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
        messages = list(generate(count, seed=number, beds=500, start=start))
        rates["worker"].append(rate(drain_with_worker, messages))
        rates["naive loop"].append(rate(drain_naively, messages[:naive_count]))

    medians = {name: statistics.median(runs) for name, runs in rates.items()}
    ratio = medians["worker"] / medians["naive loop"]
    if not options.json:
        table = Table("", "messages/s", "lowest", "highest", "times naive", title="From a full queue to committed rows")
        for name, runs in rates.items():
            cells = (medians[name], min(runs), max(runs))
            table.add_row(name, *(f"{cell:,.0f}" for cell in cells), f"{medians[name] / medians['naive loop']:.1f}")
        Console().print(table)
    figures = {name: round(value) for name, value in medians.items()} | {"ratio": round(ratio, 1)}
    targets = {"ratio_at_least": TARGET, "met": ratio >= TARGET}
    print(json.dumps({"figures": figures, "messages": count, "repeats": repeats, "targets": targets}))


if __name__ == "__main__":
    main()
