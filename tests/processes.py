"""Management commands run as processes."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


class ManageProcess:
    """`manage.py ARGUMENTS` as a process; its stdout and stderr are kept in files."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], output: Path) -> None:
        self._stdout = output.with_suffix(".out")
        self._stderr = output.with_suffix(".err")
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, PROJECT / "manage.py", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stdout(self) -> str:
        """What it has written to standard output so far."""
        return self._stdout.read_text()

    @property
    def stderr(self) -> str:
        """What it has logged so far."""
        return self._stderr.read_text()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self, seconds: float = 30) -> int:
        """Return its exit status once it ends by itself."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s; it logged:\n{self.stderr}") from None

    def wait_for(self, text: str, seconds: float = 30) -> None:
        """Return once `text` is in its output; fail when it ends or takes longer."""
        deadline = time.monotonic() + seconds
        while text not in self.stdout + self.stderr:
            if not self.is_running or time.monotonic() > deadline:
                raise AssertionError(f"no {text!r}; it logged:\n{self.stderr}")
            time.sleep(0.02)

    def signal(self, signum: int) -> None:
        self._process.send_signal(signum)

    def stop(self, seconds: float = 30) -> int:
        """Send SIGTERM and return its exit status."""
        self._process.terminate()
        return self.wait(seconds)

    def kill(self) -> None:
        """SIGKILL it; harmless once it has ended."""
        self._process.kill()
        self._process.wait()
