"""What the interface's tests share."""

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
