"""Django's own tests of session engines, from the source distribution of the Django that is installed."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import django
import pytest
from django.db import connections

from tests.processes import PROJECT

CACHE = PROJECT / "var" / "cache"
WANTED = ("tests/sessions_tests/__init__.py", "tests/sessions_tests/tests.py", "tests/sessions_tests/models.py")


def source() -> Path:
    """Return the directory with Django's `sessions_tests`; it is fetched from the package index once."""
    folder = f"django-{django.__version__}"
    target = CACHE / folder / "tests"
    if not (target / "sessions_tests" / "models.py").exists():
        fetch(f"django=={django.__version__}")
        with tarfile.open(next(CACHE.glob(f"{folder}.tar.gz"))) as archive:
            members = [member for member in archive if member.name in {f"{folder}/{name}" for name in WANTED}]
            archive.extractall(CACHE, members, filter="data")
        next(CACHE.glob(f"{folder}.tar.gz")).unlink()
    return target


def fetch(requirement: str) -> None:
    options = ["--quiet", "--no-deps", "--no-binary", "django", "--dest", str(CACHE)]
    command = [sys.executable, "-m", "pip", "download", *options, requirement]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        pytest.skip(f"Django's source distribution cannot be fetched: {process.stderr.strip().splitlines()[-1:]}")


@pytest.mark.slow
def test_the_engine_passes_djangos_own_65_tests(django_db_setup: None) -> None:
    connections.close_all()  # PostgreSQL copies a database that nobody uses
    migrated = str(connections["default"].settings_dict["NAME"])
    command = [sys.executable, "-m", "tests.sessions_app.django_suite", str(source()), migrated]

    process = subprocess.run(command, cwd=PROJECT, env=os.environ, capture_output=True, text=True, check=False)

    assert process.returncode == 0, process.stderr[-3000:]
    outcome = json.loads(process.stdout.splitlines()[-1])
    assert (outcome["ran"], outcome["failed"]) == (65, []), process.stderr[-3000:]
    assert outcome["redis_commands"] > 100  # it was Redis that answered, not the fallback
    assert outcome["trusted"]
