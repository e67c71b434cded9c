#!/usr/bin/env python
"""How long the bookkeeping of many sessions takes: `sweep_sessions` and `check_sessions`.

Run it as: script/with-stack benchmarks/session_upkeep.py [--sessions 50000] [--json]

First all sessions live; then PostgreSQL has been away, and the registry takes all of them for run out although Redis
has seen them in use; at last all of them have run out, and each end has to be on record.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.session_stores import Contender

# isort: split
from django.db.models.functions import Now

from epicops import keys
from epicops.bulk import chunks
from epicops.redis_client import sessions_command_client
from sessions_app.agreement import differences
from sessions_app.models import SessionRecord
from sessions_app.sweeper import Swept, sweep

TARGET = 30.0  # seconds for each, the sweeper's own pause


def seconds(call: Callable[[], object], expected: object) -> float:
    """Time a call; leave when it returns anything but what is expected."""
    started = time.perf_counter()
    if (found := call()) != expected:
        raise SystemExit(f"{found} where {expected} was expected: the figure would mean nothing")
    return round(time.perf_counter() - started, 2)


def rest(minutes: int) -> None:
    """Let the registry take every session for unused for so long."""
    SessionRecord.objects.update(last_activity=Now() - timedelta(minutes=minutes))


def measure(count: int) -> dict[str, float]:
    ours = Contender("epicops")
    ours.fill(count)
    figures = {
        "check, all alive": seconds(differences, {}),
        "sweep, nothing to do": seconds(sweep, Swept()),
    }
    rest(31)
    figures["sweep, all used unseen"] = seconds(sweep, Swept(prolonged=count))
    rest(31)
    for some in chunks(map(keys.session, ours.ids), 500):
        sessions_command_client().delete(*some)
    figures["sweep, all run out"] = seconds(sweep, Swept(ended=count))
    figures["sweep, all just ended"] = seconds(sweep, Swept(cleared=count))
    figures["check, all just ended"] = seconds(differences, {})
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=50_000)
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    options = parser.parse_args()

    figures = measure(options.sessions)
    if not options.json:
        for name, took in figures.items():
            print(f"{name}: {took:,.2f} s, {options.sessions / took:,.0f} sessions/s")
    met = {name: took <= TARGET for name, took in figures.items()}
    print(json.dumps({"figures": figures, "sessions": options.sessions, "targets": TARGET, "met": met}))


if __name__ == "__main__":
    main()
