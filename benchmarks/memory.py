#!/usr/bin/env python
"""How much memory the worker holds while it applies many messages: it must not grow with their number.

Run it as: script/with-stack benchmarks/memory.py [--messages 1000000] [--quick] [--json]

The queue is filled as it is emptied, so that the servers do not hold all of it either.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epicops.settings")
os.environ.setdefault("EPICOPS_LOG_LEVEL", "ERROR")

import django

django.setup()

import psutil  # type: ignore[import-untyped]  # it ships none

from epicops import keys
from epicops.redis_client import queue_client
from interconnect.simulator import generate

PUSH = 1000  # messages per LPUSH
WAITING = 5000  # messages on the queue, at most
LOOKS = 10
MAY_GROW = 1.1  # from the second look on: the first still has caches to fill


def resident(process: "subprocess.Popen[bytes]") -> float:
    """Return MB."""
    return float(psutil.Process(process.pid).memory_info().rss) / 1e6


def wait(most: int) -> None:
    """Return once at most so many messages are on the queue."""
    while queue_client().llen(keys.QUEUE) > most:
        time.sleep(0.05)


def measure(number: int) -> list[float]:
    """Return the worker's memory in MB at LOOKS moments, evenly spaced over the messages."""
    messages = generate(number)
    looks: list[float] = []
    worker = subprocess.Popen([sys.executable, str(ROOT / "manage.py"), "consume_interconnect"])
    try:
        for pushed in range(PUSH, number + 1, PUSH):
            queue_client().lpush(keys.QUEUE, *islice(messages, PUSH))
            wait(WAITING if looks else 0)  # until it has begun
            if pushed * LOOKS // number > len(looks):
                looks.append(resident(worker))
        wait(0)
        return [*looks, resident(worker)]
    finally:
        worker.terminate()
        worker.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="20,000 messages")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    options = parser.parse_args()
    number = 20_000 if options.quick else options.messages
    looks = measure(number)
    growth = max(looks[2:]) / looks[1]
    if not options.json:
        print(f"{number:,} messages; MB:", " ".join(f"{look:.0f}" for look in looks))
    met = growth <= MAY_GROW
    figures = {"messages": number, "megabytes": looks, "growth": round(growth, 3)}
    print(json.dumps({"figures": figures, "targets": {"growth": {"at_most": MAY_GROW, "met": met}}, "met": met}))
    sys.exit(not met)


if __name__ == "__main__":
    main()
