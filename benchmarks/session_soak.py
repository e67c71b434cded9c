#!/usr/bin/env python
"""A soak of the session engine: logins, pages, writes, logouts and expiries by several processes, Redis frozen midway.

Run it as: script/with-stack benchmarks/session_soak.py [--sessions 50000] [--processes 4] [--seconds 300] [--json]

First each process signs in its share of people; then they go on at random. Some sessions are shared by all processes,
which write different keys of them at the same time. At the end the sweeper has its turn, and then: who lives can go on,
who ended stays out, no write of anybody is lost, and registry, hashes and audit trail agree (as for `check_sessions`).
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epicops.settings")
os.environ.setdefault("EPICOPS_LOG_LEVEL", "CRITICAL")

import django

django.setup()

from django.contrib.sessions.backends.base import UpdateError
from django.db import connections

from epicops.redis_client import sessions_client
from sessions_app import stores
from sessions_app.agreement import differences
from sessions_app.backend import SessionStore
from sessions_app.sweeper import sweep
from sessions_app.trust import trust, watch

SHARED = 50
BRIEF = 3  # seconds that some sessions last
ROLES = (("nurse", "Hyperspace"), ("physician", "Hyperspace"), ("patient", "MyChart"))


class Share(NamedTuple):
    """What one process knows at its end."""

    alive: list[str]
    ended: list[str]
    operations: dict[str, int]
    written: dict[str, int]  # to shared sessions, by id


def sign_in(number: int, *, brief: bool = False) -> str:
    session = SessionStore()
    role, portal = ROLES[number % len(ROLES)]
    session.update({"_auth_user_id": str(number), "role": role, "department": "medicine", "portal": portal})
    if brief:
        session.set_expiry(BRIEF)
    session.save()
    return str(session.session_key)


def write(session_id: str, key: str) -> None:
    session = SessionStore(session_id)
    session[key] = session.get(key, 0) + 1
    session.save()


def work(arguments: tuple[int, int, float, list[str]]) -> Share:
    """Be one process of people: sign in `count` of them, then go on for `seconds`; the first one freezes Redis."""
    number, count, seconds, shared = arguments
    watch()
    choose = random.Random(number)
    share = Share([sign_in(number * 1_000_000 + each) for each in range(count)], [], {"login": count}, {})
    until = time.monotonic() + seconds
    freeze_at = until - seconds / 2 if number == 0 else float("inf")
    while time.monotonic() < until:
        if time.monotonic() > freeze_at:
            freeze(2)
            freeze_at = float("inf")
        (kind,) = choose.choices(("page", "write", "shared", "logout", "login", "brief"), (60, 12, 8, 8, 8, 4))
        share.operations[kind] = share.operations.get(kind, 0) + 1
        chosen = choose.randrange(len(share.alive))
        if kind == "page" and stores.load(share.alive[chosen], touch=True) is None:
            raise SystemExit("a live session is gone")
        if kind == "write":
            write(share.alive[chosen], "count")
        elif kind == "shared":
            session_id = choose.choice(shared)
            write(session_id, f"of process {number}")
            share.written[session_id] = share.written.get(session_id, 0) + 1
        elif kind == "logout":
            share.alive[chosen], share.alive[-1] = share.alive[-1], share.alive[chosen]
            share.ended.append(share.alive.pop())
            SessionStore(share.ended[-1]).delete(share.ended[-1])
        elif kind == "login":
            share.alive.append(sign_in(choose.randrange(10**9)))
        elif kind == "brief":
            share.ended.append(sign_in(choose.randrange(10**9), brief=True))
    return share


def freeze(seconds: float) -> None:
    """Let Redis accept and not answer for a while."""
    pid = int(sessions_client().info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid, signal.SIGCONT)


def soak(sessions: int, processes: int, seconds: float) -> list[Share]:
    shared = [sign_in(each) for each in range(SHARED)]
    connections.close_all()  # forked processes open their own
    trust.forget()
    work_of = [(number, sessions // processes, seconds, shared) for number in range(processes)]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        return pool.map(work, work_of, chunksize=1)


def verdict(shares: list[Share]) -> dict[str, Any]:
    """Count what went wrong; every figure has to be 0."""
    time.sleep(BRIEF)
    trust.forget()
    while not trust.is_redis():
        time.sleep(0.1)
    gone = sum(stores.load(each, touch=True) is None for share in shares for each in share.alive)
    sweep()
    back = sum(stores.load(each) is not None or is_written(each) for share in shares for each in share.ended)
    lost = 0
    for number, share in enumerate(shares):
        for session_id, times in share.written.items():
            lost += times - SessionStore(session_id).get(f"of process {number}", 0)
    found = differences()
    return {"gone": gone, "back": back, "lost writes": lost, "differences": found.total(), **found}


def is_written(session_id: str) -> bool:
    """Whether a late write reaches a session that ended."""
    session = SessionStore(session_id)
    session._session_key = session_id  # noqa: SLF001  as a request that loaded it before
    session._session_cache = {"late": True}  # noqa: SLF001
    try:
        session.save()
    except UpdateError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=50_000, help="signed in at first (default %(default)s)")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=300, help="after signing in (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    options = parser.parse_args()

    shares = soak(options.sessions, options.processes, options.seconds)
    operations = {kind: sum(s.operations.get(kind, 0) for s in shares) for kind in shares[0].operations}
    wrong = verdict(shares)
    alive = sum(len(share.alive) for share in shares)
    if not options.json:
        print(f"{alive:,} live sessions; {', '.join(f'{count:,} {kind}' for kind, count in operations.items())}")
        print(f"wrong: {wrong}")
    print(json.dumps({"figures": {"alive": alive, **operations, **wrong}, "met": not any(wrong.values())}))
    sys.exit(any(wrong.values()))


if __name__ == "__main__":
    main()
