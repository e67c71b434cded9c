#!/usr/bin/env python
"""Session engines side by side: lookup, page, save, a frozen Redis; the console's list; memory.

Run it as: script/with-stack benchmarks/sessions.py [--quick] [--json]

epicops, Django's db, cache (django-redis) and cached_db, and django-redis-sessions, with 10,000 live sessions each, in
one run and in turns, by one client process. A page is the engine's middleware: load, two reads, refresh. The peers
refresh by SESSION_SAVE_EVERY_REQUEST.
"""

import argparse
import json
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.session_stores import Contender, contenders

# isort: split
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from rich.console import Console
from rich.table import Table

from epicops import keys
from epicops.portal import OPERATIONS
from epicops.redis_client import SESSIONS_TIMEOUT, sessions_client
from sessions_app.trust import watch

SESSIONS = 10_000
KINDS = ("lookup", "page", "save")
ADMIN_LIST = "/admin/sessions_app/sessionrecord/"
TARGETS = {  # figure: at most
    "epicops lookup p50 us": 300,
    "epicops lookup p99 us": 1000,
    "page / cache": 1.2,
    "page / cached_db": 0.5,
    "epicops frozen first ms": SESSIONS_TIMEOUT * 1000 + 50,
    "epicops frozen next ms": 5,
    "admin list ms": 50,
    "admin list scans": 0,
    "bytes a session": 1400,
}
Figures = dict[str, float]


def timed(call: Callable[..., object], *arguments: str) -> float:
    """Return microseconds."""
    started = time.perf_counter()
    call(*arguments)
    return (time.perf_counter() - started) * 1_000_000


def measure(found: list[Contender], repeats: int, operations: int) -> Figures:
    """Time every kind of access, engine by engine in turns."""
    samples: dict[tuple[str, str], list[list[float]]] = {}
    for _ in range(repeats):
        for kind in KINDS:
            for one in found:
                call = getattr(one, kind)
                chosen = random.choices(one.ids, k=operations)
                samples.setdefault((one.name, kind), []).append([timed(call, each) for each in chosen])
    figures: Figures = {}
    for (name, kind), runs in samples.items():
        ordered = sorted(value for run in runs for value in run)
        figures[f"{name} {kind} p50 us"] = statistics.median(statistics.median(run) for run in runs)
        figures[f"{name} {kind} p95 us"] = ordered[len(ordered) * 95 // 100]
        figures[f"{name} {kind} p99 us"] = ordered[len(ordered) * 99 // 100]
    for peer in ("cache", "cached_db"):
        figures[f"page / {peer}"] = figures["epicops page p50 us"] / figures[f"{peer} page p50 us"]
    return figures


def frozen(found: list[Contender]) -> tuple[Figures, dict[str, str]]:
    """Let Redis accept and not answer; return ms of each engine's first and following page, and what these were."""
    figures: Figures = {}
    outcome: dict[str, str] = {}
    pid = int(sessions_client().info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        for one in found:
            first, outcome[one.name] = page_without_redis(one)
            following = [page_without_redis(one)[0] for _ in range(5 if first > 1000 else 21)]
            figures[f"{one.name} frozen first ms"] = first
            figures[f"{one.name} frozen next ms"] = statistics.median(following)
    finally:
        os.kill(pid, signal.SIGCONT)
    return figures, outcome


def page_without_redis(one: Contender) -> tuple[float, str]:
    result = "raises"

    def page() -> None:
        nonlocal result
        with suppress(Exception):  # that is the finding
            result = "served" if one.page(one.ids[0]) else "signed out"

    return timed(page) / 1000, result


def admin_list(repeats: int) -> Figures:
    """Return ms of the console's list of live sessions, and how often it scanned Redis."""
    root = get_user_model().objects.create_superuser("benchmark", password=None)
    client = Client(HTTP_HOST=settings.ALLOWED_HOSTS[0] if settings.ALLOWED_HOSTS else "localhost")
    client.force_login(root)
    session: Any = client.session
    session["portal"] = OPERATIONS
    session.save()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE sessions_app_sessionrecord")
    sessions_client().config_resetstat()
    taken = [timed(lambda: client.get(ADMIN_LIST, secure=True).content) / 1000 for _ in range(repeats + 2)]
    scans = sessions_client().info("commandstats").get("cmdstat_scan", {}).get("calls", 0)
    return {"admin list ms": statistics.median(taken[2:]), "admin list scans": scans}


def memory(count: int) -> Figures:
    """Return bytes that Redis takes for a session of ours, with its default settings and with ours."""
    redis = sessions_client()
    (ours,) = (each for each in contenders(1) if each.is_ours)
    setting, figures = "hash-max-listpack-value", {}
    for label, size in (("bytes a session, unset", 64), ("bytes a session", 1024)):
        redis.config_set(setting, str(size))
        before = redis.info("memory")["used_memory"]
        ours.fill(count)
        figures[label] = (redis.info("memory")["used_memory"] - before) / count
        redis.delete(*map(keys.session, ours.ids))
    return figures


def report(figures: Figures, outcome: dict[str, str], targets: dict[str, Any]) -> None:
    table = Table("", *(f"{kind} p50/p95/p99 µs" for kind in KINDS), "frozen first, next ms", "then")
    for name, then in outcome.items():
        cells = [" / ".join(f"{figures[f'{name} {kind} p{p} us']:,.0f}" for p in (50, 95, 99)) for kind in KINDS]
        frozen_ms = f"{figures[f'{name} frozen first ms']:,.1f}, {figures[f'{name} frozen next ms']:,.1f}"
        table.add_row(name, *cells, frozen_ms, then)
    Console(width=150).print(table)
    for name, target in targets.items():
        print(f"{name}: {figures[name]:,.2f}, at most {target['at_most']:g}: {'met' if target['met'] else 'NOT MET'}")
    print(f"without hash-max-listpack-value: {figures['bytes a session, unset']:,.0f} bytes a session")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repeats; ends within 45 s on two cores")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="of each engine (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=0, help="5 when quick, else 9")
    options = parser.parse_args()
    repeats, operations = options.repeats or (5 if options.quick else 9), 60 if options.quick else 250

    figures = memory(min(1000, options.sessions))
    found = contenders(options.sessions)
    watch()  # as under gunicorn
    measure(found, 1, 5)  # warm
    figures |= measure(found, repeats, operations) | admin_list(repeats)
    stopped, outcome = frozen(found)
    figures |= stopped
    targets = {name: {"at_most": most, "met": figures[name] <= most} for name, most in TARGETS.items()}
    if not options.json:
        report(figures, outcome, targets)
    rounded = {name: round(value, 3) for name, value in figures.items()}
    print(json.dumps({"figures": rounded, "frozen": outcome, "sessions": options.sessions, "targets": targets}))


if __name__ == "__main__":
    main()
