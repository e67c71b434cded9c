"""The short form of benchmarks/fuzz_er7.py."""

import json
import os
import subprocess
import sys

from tests.processes import PROJECT


def test_damaged_messages_are_read_or_refused() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EPICOPS_")}
    command = [sys.executable, "benchmarks/fuzz_er7.py", "--seconds", "2"]

    output = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, check=True)

    assert json.loads(output.stdout)["outcomes"]["understood"] > 0
