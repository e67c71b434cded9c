"""`script/demo` as its user meets it."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from epicops.embedded import processes
from epicops.embedded.demo import answers, passwords
from epicops.embedded.stack import free_port

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[2]
DEMO = [sys.executable, "-m", "epicops.embedded.demo"]
NOT_THE_CODE = shutil.ignore_patterns(".*", "var", "tests", "docs", "__pycache__")

Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start(tmp_path: Path, port: int) -> Iterator[Start]:
    """Start a demo in `tmp_path` whose pages are on `port`, and wait until it says that it is ready."""
    options = ["--root", str(tmp_path), "--port", str(port), "--mllp-port", str(free_port()), "--no-simulator"]
    running: list[subprocess.Popen[str]] = []

    def run() -> "subprocess.Popen[str]":
        demo = subprocess.Popen([*DEMO, *options], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        running.append(demo)
        assert demo.stdout is not None
        assert any("Ctrl-C stops everything" in line for line in demo.stdout)
        return demo

    yield run
    for demo in running:
        with demo:
            demo.kill()
    processes.end(processes.daemons_under(tmp_path), signal.SIGKILL)


def smoke(checkout: Path, *options: str) -> tuple[int, dict[str, object]]:
    ended = subprocess.run([*DEMO, "--smoke", *options], cwd=checkout, stdout=subprocess.PIPE, check=False)
    return ended.returncode, json.loads(ended.stdout)


def copy_of_the_code(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT, tmp_path / "check out", ignore=NOT_THE_CODE))


def test_the_smoke_test_passes_in_a_checkout_whose_path_has_a_space(tmp_path: Path) -> None:
    status, report = smoke(copy_of_the_code(tmp_path))

    assert report["ok"], report
    assert status == 0
    assert isinstance(report["seconds"], float)
    assert report["seconds"] < 120  # generously: three test processes share two cores; by itself it takes some 30 s


@pytest.mark.ha
def test_the_smoke_test_passes_on_a_cluster() -> None:
    status, report = smoke(PROJECT, "--cluster")

    assert report["ok"], report
    assert status == 0


def test_the_smoke_test_names_the_step_that_is_broken(tmp_path: Path) -> None:
    checkout = copy_of_the_code(tmp_path)
    keys = checkout / "epicops" / "keys.py"
    keys.write_text(keys.read_text().replace('f"patient:{bed}:vitals"', 'f"wrong:{bed}:vitals"'))

    status, report = smoke(checkout)

    assert status == 1
    assert report["failed"] == "cache_holds_the_vitals", report


def test_the_logins_can_be_shown_again(tmp_path: Path) -> None:
    passwords(tmp_path).write_text('{"amara": "first", "olu": "second"}')

    shown = subprocess.run(
        [*DEMO, "--credentials", "--root", str(tmp_path)], cwd=PROJECT, stdout=subprocess.PIPE, check=True
    )

    assert shown.stdout.split() == [b"amara", b"first", b"olu", b"second"]


@pytest.mark.ha
def test_a_demo_that_was_killed_starts_again_on_the_same_ports_and_ctrl_c_stops_all_of_it(
    start: Start, tmp_path: Path, port: int
) -> None:
    start().kill()
    demo = start()
    assert answers(f"http://127.0.0.1:{port}/healthz")

    demo.send_signal(signal.SIGINT)

    assert demo.wait(30) == 0
    assert not processes.daemons_under(tmp_path)


def test_a_busy_port_is_named_with_the_option_that_changes_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        options = ["--root", str(tmp_path), "--mllp-port", number, "--port", str(free_port())]
        ended = subprocess.run([*DEMO, *options], cwd=PROJECT, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert f"port {number} is in use; choose another one with --mllp-port" in ended.stderr


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of script/setup in a checkout that needs no packages, where it has run once."""
    checkout = tmp_path_factory.mktemp("check out")
    shutil.copytree(PROJECT / "script", checkout / "script")
    (checkout / "requirements").mkdir()
    (checkout / "requirements" / "demo.txt").touch()
    setup = str(checkout / "script" / "setup")
    subprocess.run([setup], check=True, capture_output=True)
    return setup


def test_a_second_setup_does_nothing(setup: str) -> None:
    started = time.monotonic()
    again = subprocess.run([setup, "demo"], check=True, capture_output=True)

    assert again.stdout + again.stderr == b""
    assert time.monotonic() - started < 5


def test_an_interrupted_setup_starts_anew(setup: str) -> None:
    environment = Path(setup).parents[1] / ".venv"
    for left in ("incomplete", "half-installed"):
        (environment / left).touch()
    (environment / "setup-demo").unlink()

    subprocess.run([setup], check=True, capture_output=True)

    assert (environment / "setup-demo").exists()
    assert not (environment / "half-installed").exists()
    assert not (environment / "incomplete").exists()
