"""Stopping a command: the first signal asks, the second one ends."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopFlag:
    """A plain attribute, so that a signal handler needs no lock to set it."""

    requested = False


@contextmanager
def stop_on_signal() -> Iterator[StopFlag]:
    """Raise a flag on the first SIGTERM or SIGINT; let a second one end the process."""
    stop = StopFlag()

    def on_signal(signum: int, _frame: FrameType | None) -> None:
        stop.requested = True
        signal.signal(signum, signal.SIG_DFL)

    previous = {signum: signal.signal(signum, on_signal) for signum in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
