"""The short forms of benchmarks/sessions.py, session_soak.py and session_upkeep.py."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.processes import PROJECT

pytestmark = pytest.mark.slow


def run(environment: dict[str, str], benchmark: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, f"benchmarks/{benchmark}.py", "--json", *arguments]
    output = subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, timeout=120, check=False)
    line: dict[str, Any] = json.loads(output.stdout)
    return line


def test_a_short_soak_leaves_both_stores_in_agreement(process_environment: dict[str, str]) -> None:
    arguments = ("--sessions", "60", "--processes", "2", "--seconds", "4")
    line = run(process_environment, "session_soak", *arguments)

    assert line["figures"]["alive"] > 30
    assert line["met"], line["figures"]


def test_the_bookkeeping_of_sessions_is_timed_and_right(process_environment: dict[str, str]) -> None:
    line = run(process_environment, "session_upkeep", "--sessions", "600")

    assert all(line["met"].values())


def test_without_redis_this_engine_serves_where_its_peers_sign_out_or_fail(process_environment: dict[str, str]) -> None:
    pytest.importorskip("redis_sessions", reason="the extra `bench` is not installed")

    line = run(process_environment, "sessions", "--quick", "--sessions", "100", "--repeats", "1")

    assert line["frozen"]["epicops"] == "served"
    assert {line["frozen"][peer] for peer in ("cache", "cached_db", "redis-sessions")} <= {"signed out", "raises"}
    assert [name for name in ("admin list scans", "bytes a session") if not line["targets"][name]["met"]] == []
