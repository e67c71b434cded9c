"""Ending processes for certain, those of a run that was killed included."""

import contextlib
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it ships none

Processes = Iterable[psutil.Process]

GRACE = 10.0  # seconds a process may take to stop before SIGKILL


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants, the process first; stopped meanwhile, so that it cannot fork another."""
    try:
        process = psutil.Process(pid)
        process.suspend()
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def daemons_under(directory: Path) -> list[psutil.Process]:
    """Return the processes without a terminal whose working directory is `directory` or below: nobody's shell.

    psutil knows the terminals that existed at its first look in this process: to be called at its start.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.terminal() is None and Path(process.cwd()).is_relative_to(directory):
                found.append(process)
    return found


def end(processes: Processes, signum: int = signal.SIGINT) -> None:
    """Send `signum` to all, SIGKILL to those still there after `GRACE`, and return when every one has ended."""
    remaining = _signal(processes, signum)
    if not _wait(remaining, GRACE):
        _wait(_signal(remaining, signal.SIGKILL), GRACE)


def _signal(processes: Processes, signum: int) -> list[psutil.Process]:
    alive = [process for process in processes if not has_ended(process)]
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signum)
    return alive


def _wait(processes: Processes, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (ended := all(has_ended(process) for process in processes)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return ended


def has_ended(process: psutil.Process) -> bool:
    """Whether it is gone, or a zombie that only waits to be reaped. A reused process id counts as gone."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
