"""Run a command with a fresh, migrated, temporary stack in its environment, then remove it."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from epicops.embedded.programs import manage
from epicops.embedded.server import StackError
from epicops.embedded.stack import Stack


def run(command: list[str]) -> int:
    """Run `command` to its end and return its exit status, or 128 + the signal that ended it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="epicops-") as root, Stack(Path(root)) as stack:
        environment = os.environ | stack.environment()
        subprocess.run(manage("migrate", "--verbosity", "0"), env=environment, check=True)
        process = subprocess.Popen(command, env=environment)
        # The terminal sends Ctrl-C to the command as well; a supervisor sends SIGTERM to us only.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        status = process.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    if sys.argv[1:] in ([], ["-h"], ["--help"]):
        print(f"usage: script/with-stack COMMAND [ARGUMENT ...]\n\n{__doc__}")  # noqa: T201
        sys.exit(0 if sys.argv[1:] else 2)
    try:
        sys.exit(run(sys.argv[1:]))
    except (StackError, FileNotFoundError) as error:
        sys.exit(f"with-stack: {error}")
