#!/usr/bin/env python
"""Three workers, or lanes, constant pushes, and kill -9 of a worker, Valkey or PostgreSQL a few times a second.

Run it as: .venv/bin/python benchmarks/torture.py [--kills 200] [--slow-disk] [--appendfsync everysec] [--json]

It starts its own servers. At the end it drains the queue and compares: every acknowledged push must be there once, with
its effect once, in its patient's order. Exit status 0 only if so. `--slow-disk` makes each fsync of Valkey take 300 ms
more; with `--appendfsync everysec` acknowledged pushes are then lost, which is why `preflight` asks for `always`.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from random import Random
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import psycopg
from redis.exceptions import RedisError

from epicops import keys
from epicops.embedded.server import Server
from epicops.embedded.stack import Stack
from epicops.embedded.valkey import Valkey
from epicops.redis_client import Redis

PATIENTS = 40
TOGETHER = 5  # messages per MULTI
PAUSE = (0.15, 0.7)  # seconds between kills
WORKERS = 3
KINDS = ("worker", "redis", "postgres")
DRAIN_SECONDS = 300
SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
int fdatasync(int fd) {
  int (*real)(int) = (int (*)(int)) dlsym(RTLD_NEXT, "fdatasync");
  usleep(300000);
  return real(fd);
}
"""


def compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc")


class SlowValkey(Valkey):
    """A Valkey whose every fdatasync takes 300 ms more, as on a disk that others keep busy."""

    def command(self) -> list[str]:
        shim = self.data.parent / "slow_disk.so"
        if not shim.exists():
            compile_shim = [str(compiler()), "-shared", "-fPIC", "-x", "c", "-", "-o", str(shim)]
            subprocess.run(compile_shim, input=SHIM.encode(), check=True)
        return ["env", f"LD_PRELOAD={shim}", *super().command()]


@dataclass
class Pusher:
    """Pushes numbered messages and remembers which were acknowledged."""

    address: str
    acknowledged: list[str] = field(default_factory=list)
    stopped: bool = False

    def run(self) -> None:
        client: Redis = Redis.from_url(self.address, socket_timeout=5)
        numbers = count()
        while not self.stopped:
            batch = [next(numbers) for _ in range(TOGETHER)]
            try:
                with client.pipeline(transaction=True) as pipe:
                    for number in batch:
                        pipe.lpush(keys.QUEUE, message(number))
                    pipe.execute()
            except RedisError:
                time.sleep(0.02)  # not acknowledged: may be there or not, once at most
            else:
                self.acknowledged += [control_id(number) for number in batch]
                time.sleep(0.005)


def control_id(number: int) -> str:
    return f"{number % PATIENTS}-{number}"


def message(number: int) -> bytes:
    """Return a heart rate of one of PATIENTS, at a time that no other message has."""
    when = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)).strftime("%Y%m%d%H%M%S+0000")
    header = f"MSH|^~\\&|TORTURE|EPICOPS|||{when}||ORU^R01|{control_id(number)}|P|2.5.1"
    return f"{header}\rPID|1||P{number % PATIENTS}^^^EPIC^MR\rOBX|1|NM|8867-4||78||||||F|||{when}".encode()


@contextmanager
def workers(
    environment: dict[str, str], log: IO[bytes], arguments: list[list[str]]
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    running = [start_worker(environment, log, *some) for some in arguments]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def start_worker(environment: dict[str, str], log: IO[bytes] | int, *arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(ROOT / "manage.py"), "consume_interconnect", "--hung-after", "5", *arguments]
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def torture(stack: Stack, environment: dict[str, str], options: argparse.Namespace) -> Counter[str]:
    """Kill `options.kills` times at random; return how often which."""
    random = Random(options.seed)
    kills: Counter[str] = Counter()
    servers: dict[str, Server] = {"redis": stack.queue, "postgres": stack.postgres}
    lanes = [["--lanes", str(options.lanes), "--lane", str(lane)] for lane in range(options.lanes + 1)]
    arguments: list[list[str]] = lanes if options.lanes > 1 else [[]] * WORKERS
    with (stack.root / "log" / "workers.log").open("ab") as log, workers(environment, log, arguments) as running:
        for _ in range(options.kills):
            time.sleep(random.uniform(*PAUSE))
            kind = random.choice(options.kill)
            kills[kind] += 1
            if kind == "worker":
                victim = random.randrange(len(running))
                running[victim].kill()
                running[victim].wait()
                running[victim] = start_worker(environment, log, *arguments[victim])
            else:
                servers[kind].kill()
                servers[kind].start()
    return kills


def verdict(stack: Stack, acknowledged: list[str]) -> dict[str, int | str]:
    """Compare what PostgreSQL has with what was acknowledged."""
    with psycopg.connect(stack.postgres.url) as connection:
        rows = connection.execute("SELECT control_id FROM interconnect_inboundmessage ORDER BY id").fetchall()
        effects = connection.execute("SELECT count(*) FROM vitals_observation").fetchone()
        dead = connection.execute("SELECT error_class FROM interconnect_deadletter").fetchall()
    applied = [row[0] for row in rows]
    by_patient: dict[str, list[int]] = {}
    for patient, number in (name.split("-") for name in applied):
        by_patient.setdefault(patient, []).append(int(number))
    return {
        "acknowledged": len(acknowledged),
        "rows": len(applied),
        "missing": len(set(acknowledged) - set(applied)),
        "duplicates": len(applied) - len(set(applied)),
        "inversions": sum(later < earlier for numbers in by_patient.values() for earlier, later in pairwise(numbers)),
        "effects_off": abs(len(set(applied)) - (effects or (0,))[0]),
        "dead_letters": len(dead),
        "classes": ",".join(sorted({row[0] for row in dead})),
    }


def drain(stack: Stack, environment: dict[str, str]) -> None:
    """Work off what is left, or say where it hangs."""
    worker = start_worker(environment, subprocess.DEVNULL, "--drain")
    try:
        worker.wait(DRAIN_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        client = Redis.from_url(stack.queue.url)
        left = {name.decode(): client.llen(name) for name in client.scan_iter("*", _type="list")}
        sys.exit(f"torture: not drained in {DRAIN_SECONDS} s; left: {left}")


def run(options: argparse.Namespace, root: Path) -> dict[str, object]:
    stack = Stack(root)
    queue = SlowValkey("queue", stack.root, stack.run) if options.slow_disk else stack.queue
    queue.settings = queue.settings | {"appendfsync": options.appendfsync}
    stack.queue, stack.servers = queue, (stack.sessions, queue, stack.cache, stack.postgres)
    with stack:
        environment = os.environ | stack.environment() | {"EPICOPS_LOG_LEVEL": "WARNING"}
        subprocess.run([sys.executable, str(ROOT / "manage.py"), "migrate", "-v", "0"], env=environment, check=True)
        pusher = Pusher(stack.queue.url)
        thread = threading.Thread(target=pusher.run)
        thread.start()
        started = time.monotonic()
        try:
            kills = torture(stack, environment, options)
        finally:
            pusher.stopped = True
            thread.join()
        drain(stack, environment)
        seconds = round(time.monotonic() - started)
        return {"kills": dict(kills), "seconds": seconds, **verdict(stack, pusher.acknowledged)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--kill", nargs="+", choices=KINDS, default=KINDS, help="what to kill (default: all)")
    parser.add_argument("--appendfsync", choices=("always", "everysec"), default="always")
    parser.add_argument("--lanes", type=int, default=1, help="one process per lane and one that deals out")
    parser.add_argument("--slow-disk", action="store_true", help="needs a C compiler")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    options = parser.parse_args()
    if options.slow_disk and not compiler():
        sys.exit("torture: no C compiler for --slow-disk")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="epicops-torture-") as root:
        figures = run(options, Path(root))
    if not options.json:
        for name, figure in figures.items():
            print(f"{name:>14}  {figure}")
    promised = ("missing", "duplicates", "inversions", "effects_off", "dead_letters")
    met = {name: figures[name] == 0 for name in promised}
    targets = {name: {"at_most": 0, "met": met[name]} for name in promised}
    print(json.dumps({"figures": figures, "targets": targets, "met": all(met.values())}))
    sys.exit(not all(met.values()))


if __name__ == "__main__":
    main()
