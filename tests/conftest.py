"""What every test can rely on: empty Redis servers, processes that end with the test, a browser where there is one."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django_redis import get_redis_connection
from psycopg.conninfo import make_conninfo
from pytest_django import DjangoDbBlocker

from epicops.embedded.stack import Stack
from epicops.redis_client import queue_client, sessions_client
from tests.processes import ManageProcess
from tests.servers import stack_key

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")

# What tests with a marker run on, and the Debian package that has it. script/test installs them.
NEEDS = {
    "browser": (CHROMIUM, "chromium"),
    "redis70": ("redis-server", "redis-server"),
    "nginx": ("nginx", "nginx-light"),
}

skipped_key = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """The test database; tests that commit are cleaned up by TRUNCATE, which the audit table refuses elsewhere."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_auditevent DISABLE TRIGGER audit_no_truncate")


@pytest.fixture(autouse=True)
def _empty_redis() -> None:
    for client in (sessions_client(), queue_client(), get_redis_connection("default")):
        client.flushall()


@pytest.fixture
def stack(pytestconfig: pytest.Config) -> Iterator[Stack]:
    """The run's servers, for tests that kill or stop one; what they leave down is started again."""
    if stack_key not in pytestconfig.stash:
        pytest.skip("the servers belong to somebody else: EPICOPS_DATABASE_URL was set")
    stack = pytestconfig.stash[stack_key]
    yield stack
    for server in stack.servers:
        if not server.is_running:
            server.start()


@pytest.fixture
def process_environment(transactional_db: None) -> dict[str, str]:
    """Environment in which another process works on this test's database and Redis servers."""
    url = make_conninfo(os.environ["EPICOPS_DATABASE_URL"], dbname=connection.settings_dict["NAME"])
    return os.environ | {"EPICOPS_DATABASE_URL": url, "EPICOPS_DEBUG": "0", "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def manage(process_environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., ManageProcess]]:
    """Start a management command as a process: `manage("consume_interconnect", "--drain")`."""
    started: list[ManageProcess] = []

    def start(*arguments: str) -> ManageProcess:
        started.append(ManageProcess(arguments, process_environment, tmp_path / f"process-{len(started)}"))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """How pytest-playwright starts the system's Chromium."""
    return {"executable_path": CHROMIUM, "args": ["--no-sandbox", "--disable-gpu", "--disable-quic", *QUIET]}


@pytest.fixture
def _database_beside_playwright(monkeypatch: pytest.MonkeyPatch) -> None:
    # Playwright's synchronous API runs an event loop in this thread, and Django refuses queries beside one.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")


@pytest.hookimpl(trylast=True)  # once -m and -k have chosen
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Last, because Playwright's event loop stays in this thread until the run ends.
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
    for item in items:
        if item.get_closest_marker("browser"):
            item.fixturenames.insert(0, "_database_beside_playwright")  # type: ignore[attr-defined]  # a Function has them
    # In CI they run and fail instead: a skip nobody reads is no test.
    if os.environ.get("CI") == "true":
        return
    config.stash[skipped_key] = []
    for marker, (program, package) in NEEDS.items():
        marked = [item for item in items if item.get_closest_marker(marker)]
        if marked and not shutil.which(program):
            config.stash[skipped_key].append(f"{len(marked)} TESTS DID NOT RUN: apt-get install {package}")
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=f"no {program}"))


def pytest_unconfigure(config: pytest.Config) -> None:
    for line in config.stash.get(skipped_key, []):
        print(f"\n*** {line} ***")  # noqa: T201
