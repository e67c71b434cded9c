"""The whole of epicops on this machine: servers, listener, worker, simulated hospital and web pages."""
# ruff: noqa: T201  the terminal is its interface

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from epicops.arguments import between
from epicops.embedded.cluster import Cluster, is_free
from epicops.embedded.programs import PROJECT, manage, supervise, web
from epicops.embedded.server import StackError
from epicops.embedded.stack import Stack
from epicops.private_file import write_private

START_SECONDS = 60
PORT = between(1, 65_535)
AMONG_OTHERS = "--among-real-patients"  # somebody has sent the demo messages of other hospitals, perhaps


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/demo", description=__doc__)
    parser.add_argument("--port", type=PORT, default=8000, help="web pages, on 127.0.0.1 (default %(default)s)")
    parser.add_argument(
        "--mllp-port", type=PORT, default=2575, help="HL7 over MLLP, on 127.0.0.1 (default %(default)s)"
    )
    parser.add_argument("--root", type=Path, default=PROJECT / "var" / "demo", help="data and logs (default var/demo)")
    parser.add_argument("--no-simulator", action="store_true", help="no simulated hospital: send your own messages")
    parser.add_argument("--credentials", action="store_true", help="print the logins of the demo and end")
    parser.add_argument(
        "--cluster",
        action="store_true",
        help="a Redis Cluster, 3 + 3 servers, for all three roles; empty at each start",
    )
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="start a second, temporary demo on free ports, follow real messages through it, print one JSON line; "
        "status 0 only when all of it is right",
    )
    return parser.parse_args()


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    if options.smoke:
        from epicops.embedded.smoke import smoke  # noqa: PLC0415  needs none of the below

        return smoke(["--cluster"] if options.cluster else [])
    if options.credentials:
        print(logins(options.root))
        return 0
    try:
        return demo(options)
    except StackError as error:
        print(f"script/demo: {error}", file=sys.stderr)
        return 1


def demo(options: argparse.Namespace) -> int:
    """Run the demo until Ctrl-C; return the exit status."""
    print("Starting PostgreSQL and three Valkey servers ...", flush=True)
    with Stack(options.root) as stack, ExitStack() as more:
        for port, option in ((options.port, "--port"), (options.mllp_port, "--mllp-port")):
            require_free(port, option)
        environment = stack.environment() | {"EPICOPS_DEBUG": "0", "EPICOPS_PLAIN_HTTP": "1"}
        if options.cluster:
            environment |= cluster_environment(more, stack.root / "cluster")
        write_environment(stack.root / "env", environment)
        environment = os.environ | environment
        print("Preparing the database ...", flush=True)
        people = ["--passwords", str(passwords(stack.root)), AMONG_OTHERS]
        for command in (["migrate", "--verbosity", "0"], ["seed_demo", *people]):
            subprocess.run(manage(*command), env=environment, check=True)
        threading.Thread(target=announce, args=(options.port, stack.root), daemon=True).start()
        status = supervise(programs(options), environment, stack.root)
        print("Stopping the servers ...", flush=True)
    if status:
        print(f"A program ended by itself; its log is in {stack.root / 'log'}", file=sys.stderr)
    return status


def cluster_environment(until: ExitStack, root: Path) -> dict[str, str]:
    """Start a Redis Cluster in an empty folder, for as long as `until`; return the addresses of all roles."""
    shutil.rmtree(root, ignore_errors=True)  # its nodes would look for each other at the ports of the last time
    url = until.enter_context(Cluster(root)).url
    return {f"EPICOPS_REDIS_{role}_URL": url for role in ("SESSIONS", "QUEUE", "CACHE")}


def programs(options: argparse.Namespace) -> dict[str, list[str]]:
    """Return what runs beside the servers, by name."""
    mllp = f"127.0.0.1:{options.mllp_port}"
    hospital = ["--beds", "32", "--rate", "5", "--bad", "2", "--fresh", AMONG_OTHERS, "--mllp", mllp]
    return {
        "web": web(options.port),
        "worker": manage("consume_interconnect"),
        "sweeper": manage("sweep_sessions"),
        "monitor": manage("run_monitor"),
        "listener": manage("listen_mllp", "--host", "127.0.0.1", "--port", str(options.mllp_port)),
    } | ({} if options.no_simulator else {"simulator": manage("simulate_hospital", *hospital)})


def require_free(port: int, option: str) -> None:
    """Raise StackError when something listens on `port` of 127.0.0.1."""
    if not is_free(port):
        raise StackError(f"port {port} is in use; choose another one with {option}")


def write_environment(path: Path, environment: dict[str, str]) -> None:
    """Keep the environment for script/manage, in the shell's syntax."""
    write_private(path, "".join(f"{name}={shlex.quote(value)}\n" for name, value in environment.items()))


def passwords(root: Path) -> Path:
    return root / "passwords.json"


def logins(root: Path) -> str:
    """Return the demo's logins as text, one a line."""
    if not passwords(root).exists():
        return "No logins yet: they are made when script/demo starts for the first time."
    known = json.loads(passwords(root).read_text())
    return "\n".join(f"  {name:<8} {password}" for name, password in known.items())


def announce(port: int, root: Path) -> None:
    """Wait until the pages are served, then print where and for whom."""
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_SECONDS
    while not answers(f"{address}/healthz"):
        if time.monotonic() > deadline:
            print(f"The web server does not answer; see {root / 'log' / 'web.log'}", file=sys.stderr, flush=True)
            return
        time.sleep(0.2)
    clinicians, patients, operators = f"{address}/hyperspace/", f"{address}/mychart/", f"{address}/admin/"
    print(
        f"\nReady. Clinicians (amara, ben, carol):  {clinicians}\n"
        f"       A patient (pat):                 {patients}\n"
        f"       Operators (olu, admin):          {operators}\n\n{logins(root)}\n\n"
        f"Logs are in {root / 'log'}. Ctrl-C stops everything.",
        flush=True,
    )


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310  our own http address
            return bool(response.status == 200)  # noqa: PLR2004
    except OSError:
        return False


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
