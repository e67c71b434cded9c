"""The short form of benchmarks/vitals.py."""

import json
import subprocess
import sys

import pytest

from tests.processes import PROJECT

pytestmark = pytest.mark.slow


def test_reads_are_timed_by_http_from_the_cache_and_from_copies(process_environment: dict[str, str]) -> None:
    command = [sys.executable, "benchmarks/vitals.py", "--json", "--short"]

    output = subprocess.run(
        command, cwd=PROJECT, env=process_environment, stdout=subprocess.PIPE, timeout=120, check=True
    )

    line = json.loads(output.stdout)
    assert line["readings"] == 40 * 12 * 6
    assert all(figure > 0 for figure in (*line["portal"].values(), *line["local_hit_us"].values()))
    assert {target["met"] for target in line["targets"].values()} <= {True, False}
