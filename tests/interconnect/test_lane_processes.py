"""Lanes that cannot be started."""

import subprocess
import sys

import pytest

from tests.processes import PROJECT

pytestmark = pytest.mark.django_db(transaction=True)


def test_where_a_lane_cannot_be_started_none_is_left(process_environment: dict[str, str]) -> None:
    few = f"ulimit -n 20; exec {sys.executable} manage.py consume_interconnect --lanes 32"
    ended = subprocess.run(
        ["sh", "-c", few], check=False, cwd=PROJECT, env=process_environment, capture_output=True, text=True, timeout=60
    )

    assert ended.returncode == 1
    assert ended.stderr.endswith("CommandError: A lane's process cannot be started: Too many open files\n")
    assert "Traceback" not in ended.stderr
