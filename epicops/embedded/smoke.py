"""Follow real messages through a temporary demo, from the door to the ward board, and say in one line what happened."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from django_redis import get_redis_connection

from epicops import keys
from epicops.embedded import smoke_messages as sent
from epicops.embedded.demo import answers, passwords
from epicops.embedded.programs import PROJECT, manage
from epicops.embedded.stack import free_port
from epicops.embedded.visitor import Visitor
from epicops.redis_client import queue_client, sessions_client

START_SECONDS = 240  # on a machine with ten times the work it can do; 10 on an idle one
STEP_SECONDS = 60  # likewise: each look is a process that starts


class CheckFailed(Exception):  # noqa: N818  an outcome of the run, not a fault in it
    """What was seen instead of what the demo promises."""


class Demo:
    """A demo in a temporary directory on free ports."""

    def __init__(self, root: Path, options: Sequence[str]) -> None:
        self.root = root / "demo"
        self.output = root / "output"
        self.address = f"http://127.0.0.1:{(port := free_port())}"
        self.mllp = ("127.0.0.1", free_port())
        options = [
            *options,
            "--root",
            str(self.root),
            "--port",
            str(port),
            "--mllp-port",
            str(self.mllp[1]),
        ]
        with self.output.open("wb") as output:
            command = [sys.executable, "-m", "epicops.embedded.demo", *options]
            self.process = subprocess.Popen(command, cwd=PROJECT, stdout=output, stderr=subprocess.STDOUT)

    def visitor(self, name: str, login: str) -> Visitor:
        """Return somebody who has signed in at the page `login`."""
        visitor = Visitor(self.address)
        password = json.loads(passwords(self.root).read_text())[name]
        visitor.submit(login, {"username": name, "password": password})
        return visitor

    def is_up(self) -> bool:
        """Whether its pages are served and its listener accepts connections."""
        try:
            socket.create_connection(self.mllp, timeout=1).close()
        except OSError:
            return False
        return answers(f"{self.address}/healthz")

    def stop(self) -> int:
        """Stop it as Ctrl-C does and return its exit status."""
        self.process.terminate()
        return self.process.wait(START_SECONDS)


def demo_starts(demo: Demo) -> str:
    """Wait for the web pages and the listener; from then on this process uses the demo's servers too."""
    is_settled = until(lambda: demo.process.poll() is not None or demo.is_up(), START_SECONDS)
    said = demo.output.read_text()[-500:]
    require(demo.process.poll() is None, f"it ended: {said}")
    require(is_settled, f"not up within {START_SECONDS} s: {said}")
    assignments = (shlex.split(line)[0].split("=", 1) for line in (demo.root / "env").read_text().splitlines())
    os.environ.update((name, value) for name, value in assignments)
    os.environ["DJANGO_SETTINGS_MODULE"] = "epicops.settings"
    return demo.address


def mllp_acknowledges(demo: Demo) -> list[str]:
    answers = [sent.acknowledged(demo.mllp, message) for message in (sent.admission("427"), sent.vitals("427"))]
    found = [match[0].decode() for answer in answers if (match := re.search(rb"MSA\|\w\w\|\w+", answer))]
    require(found == ["MSA|AA|ADM427", "MSA|AA|ORU427"], f"acknowledged {found}")
    return found


def queue_drains(_demo: Demo) -> dict[str, int]:
    """Push good and bad messages as Epic does, and account for all six."""
    messages = (sent.admission("428"), sent.NOT_HL7, sent.vitals("428"), sent.vitals_of_nobody())
    queue_client().lpush(keys.QUEUE, *messages)
    return until_counted({"queue": 0, "inflight": 0, "applied": 4, "skipped": 0, "dead": 2, "dlq": 2})


def cache_holds_the_vitals(_demo: Demo) -> dict[str, Any]:
    redis = get_redis_connection("default")
    document = json.loads(redis.get("patient:bed427:vitals") or "{}")
    require((document.get("hr"), document.get("bp")) == (78, "120/80"), f"patient:bed427:vitals lacks {document}")
    require(0 < redis.ttl("patient:bed427:vitals") <= 60, "patient:bed427:vitals has no 60 s TTL")  # noqa: PLR2004
    return {"hr": document["hr"], "bp": document["bp"]}


def clinician_signs_in(demo: Demo) -> str:
    ben = demo.visitor("ben", "/hyperspace/login/")
    role = sessions_client().hget(f"session:{ben.cookie('sid')}", "role")
    require(role == b"nurse", f"HGET session:<id> role is {role!r}")
    return "nurse"


def board_comes_from_the_cache(demo: Demo) -> list[list[str]]:
    ben = demo.visitor("ben", "/hyperspace/login/")
    units = re.findall(r"/hyperspace/units/\d+/", ben.read("/hyperspace/"))
    require(len(set(units)) == 1, f"ben sees {len(set(units))} wards instead of his own")
    return [page_sources(ben, path) for path in (units[0], "/hyperspace/beds/bed427/")]


def replay_is_delivered(demo: Demo) -> dict[str, int]:
    """Replay the message that is not HL7: it fails again, as a new message and a new dead letter."""
    olu = demo.visitor("olu", "/admin/login/?next=/admin/")
    entries = [json.loads(entry) for entry in queue_client().lrange(keys.DLQ, 0, -1)]
    letter = next(entry["id"] for entry in entries if entry.get("raw") == sent.NOT_HL7.decode())
    form = {"action": "replay_selected", "_selected_action": str(letter), "post": "yes"}
    olu.submit("/admin/interconnect/deadletter/", form)
    return until_counted({"applied": 4, "dead": 3, "dlq": 3})


def demo_stops(demo: Demo) -> int:
    status = demo.stop()
    require(status == 0, f"it ended with {status}: {demo.output.read_text()[-500:]}")
    return status


CHECKS: tuple[Callable[[Demo], Any], ...] = (
    demo_starts,
    mllp_acknowledges,
    queue_drains,
    cache_holds_the_vitals,
    clinician_signs_in,
    board_comes_from_the_cache,
    replay_is_delivered,
    demo_stops,
)


def smoke(options: Sequence[str]) -> int:
    """Run every check in order on a demo, print one JSON line, and return 0 only when all of them hold."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="epicops-smoke-") as root:
        demo = Demo(Path(root), [*options, "--no-simulator"])
        report: dict[str, Any] = {"ok": True, "failed": None, "seen": {}}
        try:
            for check in CHECKS:
                report["failed"] = check.__name__
                report["seen"][check.__name__] = check(demo)
            report["failed"] = None
        except Exception as error:  # noqa: BLE001  whatever breaks a check is its outcome
            report |= {"ok": False, "error": f"{type(error).__name__}: {error}"}
        finally:
            demo.stop()
    report["seconds"] = round(time.monotonic() - started, 1)
    print(json.dumps(report))  # noqa: T201  the answer
    return 0 if report["ok"] else 1


def page_sources(visitor: Visitor, path: str) -> list[str]:
    """Read a page twice from an empty cache; return where its vitals came from: first the database, then the cache."""
    redis = get_redis_connection("default")
    redis.delete(keys.CACHE_COUNTS, *redis.scan_iter("*patient:*"))  # not FLUSHDB: a Cluster may have the queue as well
    pages = [visitor.read(path) for _ in range(2)]
    require("120/80" in pages[1], f"{path} does not show 120/80")
    sources = [",".join(sorted(set(re.findall(r'data-source="(\w+)"', page)))) for page in pages]
    require(sources == ["database", "cache"], f"{path} read twice comes from {sources}")
    return sources


def until_counted(expected: dict[str, int]) -> dict[str, int]:
    """Return `expected` once interconnect_status says the same."""
    seen: dict[str, int] = {}

    def as_expected() -> bool:
        status = subprocess.run(manage("interconnect_status", "--json"), check=True, capture_output=True)
        seen.update(json.loads(status.stdout))
        return expected.items() <= seen.items()

    require(until(as_expected, STEP_SECONDS), f"counted {seen} instead of {expected}")
    return expected


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for `condition`; return False when `seconds` pass first."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def require(condition: bool, otherwise: str) -> None:  # noqa: FBT001  reads as a sentence
    if not condition:
        raise CheckFailed(otherwise)
