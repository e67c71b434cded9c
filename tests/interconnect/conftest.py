"""What the interface's tests share."""

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.mllp import Door, Listen, Listener, OpenDoor
from tests.processes import ManageProcess


@pytest.fixture
def listen(manage: Callable[..., ManageProcess]) -> Iterator[Listen]:
    """Start a listener: `listen("--max-frame", "2000")`."""
    started: list[Listener] = []

    def start(*arguments: str) -> Listener:
        started.append(Listener(manage, *arguments))
        return started[-1]

    yield start
    for listener in started:
        listener.hang_up()


@pytest.fixture
def open_door(transactional_db: None) -> Iterator[OpenDoor]:
    """Start a listener in this process: `open_door(max_frame=2000)`."""
    opened: list[Door] = []

    def start(**limits: Any) -> Door:
        opened.append(Door(**limits))
        return opened[-1]

    yield start
    for door in opened:
        door.stop()


@pytest.fixture
def door(open_door: OpenDoor) -> Door:
    return open_door()


@pytest.fixture
def listener(listen: Listen) -> Listener:
    return listen()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A self-signed certificate and its key in one file, for 127.0.0.1; it is its own authority."""
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key"), "-out", str(folder / "cert")]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    both = folder / "both"
    both.write_text((folder / "key").read_text() + (folder / "cert").read_text())
    return str(both)
