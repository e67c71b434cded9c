"""The demo's programs under honcho: started together, stopped together, each with its own log."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from honcho.manager import Manager
from honcho.printer import Message, Printer

Programs = Mapping[str, list[str]]

PROJECT = Path(__file__).resolve().parents[2]


class LogFiles(Printer):  # type: ignore[misc]  # honcho ships no types
    """Sends each program's output to `<directory>/<program>.log` and says on the terminal which one stopped."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory

    def write(self, message: Message) -> None:
        data = message.data if isinstance(message.data, bytes) else message.data.encode()
        with (self.directory / f"{message.name}.log").open("ab") as log:
            log.write(data)
        if message.name == "system" and b" stopped (rc=" in data:
            print("  " + data.decode().strip(), flush=True)  # noqa: T201  the terminal is the demo's interface


def manage(*arguments: str) -> list[str]:
    """Return the command line of a management command."""
    return [sys.executable, str(PROJECT / "manage.py"), *arguments]


def web(port: int) -> list[str]:
    """Return the command line of the web server."""
    settings = ["--config", str(PROJECT / "gunicorn.conf.py"), "--pythonpath", str(PROJECT)]
    return [sys.executable, "-m", "gunicorn", *settings, "--bind", f"127.0.0.1:{port}"]


def supervise(programs: Programs, environment: Mapping[str, str], root: Path) -> int:
    """Run `programs` until one of them ends or SIGINT or SIGTERM comes; return 0 for a signal, else that one's status.

    They work in `root`, by which the next run finds them if this one is killed (`processes.daemons_under`).
    """
    manager = Manager(LogFiles(root / "log"))
    for name, command in programs.items():
        own = {**environment, "PYTHONUNBUFFERED": "1"}
        manager.add_process(name, "exec " + shlex.join(command), env=own, cwd=str(root))
    manager.loop()
    return 0 if manager.returncode in (130, 143) else manager.returncode or 1
