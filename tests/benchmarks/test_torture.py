"""The short form of benchmarks/torture.py."""

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.processes import PROJECT

pytestmark = pytest.mark.slow

needs_compiler = pytest.mark.skipif(
    not (shutil.which("cc") or shutil.which("gcc")), reason="the slow disk is a shim and needs a C compiler"
)


def torture(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "benchmarks/torture.py", "--json", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EPICOPS_")}
    output = subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, timeout=120, check=False)
    figures: dict[str, Any] = json.loads(output.stdout)["figures"]
    return figures


def test_random_kills_lose_nothing_and_repeat_nothing() -> None:
    figures = torture("--kills", "8")

    assert figures["acknowledged"] > 500
    assert (figures["missing"], figures["duplicates"], figures["inversions"], figures["effects_off"]) == (0, 0, 0, 0)


@needs_compiler
def test_the_torture_can_fail_with_everysec_on_a_slow_disk() -> None:
    figures = torture("--kills", "12", "--kill", "redis", "--appendfsync", "everysec", "--slow-disk")

    assert figures["missing"] + figures["duplicates"] > 0


@needs_compiler
def test_with_always_a_slow_disk_loses_nothing() -> None:
    figures = torture("--kills", "4", "--slow-disk")

    assert (figures["missing"], figures["duplicates"], figures["inversions"], figures["effects_off"]) == (0, 0, 0, 0)
