"""One server process of the stack: started, watched until it answers, stopped or killed."""

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from epicops.embedded import processes

START_SECONDS = 30.0  # a large append-only file takes a while to load
STOP_SECONDS = 15.0


class StackError(Exception):
    """A part of the embedded stack cannot run; the text says which and why."""


class Server(ABC):
    """A server that works in its data directory, `<root>/data/<name>`, and logs to `<root>/log/<name>.log`."""

    stop_signal = signal.SIGTERM

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.data = root / "data" / name
        self.log = root / "log" / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """Return what to execute."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers a query now."""

    def prepare(self) -> None:
        """Make ready for a start; no other process uses the data."""
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log.parent.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start and return once it answers; raise StackError with the end of its log otherwise."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the process without waiting for it."""
        self.prepare()
        # A session of its own: Ctrl-C in the terminal reaches the programs that use the server first.
        self._process = self.run(self.command(), start_new_session=True)

    def run(self, command: list[str], *, start_new_session: bool = False) -> subprocess.Popen[bytes]:
        """Execute `command` beside the data with its output in the log."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.data,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=start_new_session,
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if not self.is_running or time.monotonic() > deadline:
                self.kill()
                raise StackError(f"{self.name} did not start; the end of {self.log}:\n{self.log_tail()}")
            time.sleep(0.02)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop it in its own time, by force after `STOP_SECONDS`. Harmless when it does not run."""
        if self._process is None:
            return
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL it and its children, as a crash would. Harmless when it does not run."""
        if self._process is None:
            return
        processes.end(processes.tree(self._process.pid), signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP: a host that hangs."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, signum: int) -> None:
        if self._process is not None:
            self._process.send_signal(signum)

    def log_tail(self, lines: int = 15) -> str:
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 8192))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
