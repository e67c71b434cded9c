"""What the interface's tests share."""

from collections.abc import Callable, Iterator

import pytest

from tests.mllp import Listen, Listener
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
def listener(listen: Listen) -> Listener:
    return listen()
