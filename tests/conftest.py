"""What every test can rely on: empty Redis servers, processes that end with the test, a browser where there is one."""

import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import TransactionTestCase
from hypothesis import settings as hypothesis_settings
from psycopg.conninfo import make_conninfo

import interconnect.views
import vitals.cache
import vitals.fence
from epicops import keys, redis_client
from epicops.embedded.stack import Stack
from epicops.redis_client import Redis, connect
from sessions_app.registry import ALIAS
from sessions_app.trust import trust
from tests import clusters, factories
from tests.processes import ManageProcess
from tests.servers import stack_key

# The shell is the same engine without a window: a test takes two thirds of the processor time.
BROWSERS = (os.environ.get("CHROMIUM"), shutil.which("chromium-headless-shell"), shutil.which("chromium"))
CHROMIUM = next(filter(None, BROWSERS), "/usr/bin/chromium")
MISSING = "not installed:"
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")

# What tests with a marker run on, and the Debian package that has it. script/test installs them.
NEEDS = {
    "browser": (CHROMIUM, "chromium-headless-shell"),
    "redis70": ("redis-server", "redis-server"),
    "nginx": ("nginx", "nginx-light"),
    "postgresql": (str(next(Path("/usr/lib/postgresql").glob("*/bin/postgres"), "/nowhere")), "postgresql"),
}

# Django would wrap the registry's connection, a mirror, in each test's transaction as well; in life it commits.
_names = TransactionTestCase._databases_names.__func__  # type: ignore[attr-defined]  # the stubs leave it out
setattr(  # noqa: B010
    TransactionTestCase, "_databases_names", classmethod(lambda cls, **_options: _names(cls, include_mirrors=False))
)

# A busy machine stops a server for longer than a page waits for it, and that is no outage.
PATIENT = {"WEB_TIMEOUT": 1.0, "SESSIONS_TIMEOUT": 1.0}  # seconds
IN_LIFE = {name: getattr(redis_client, name) for name in PATIENT}
for _name, _seconds in PATIENT.items():
    setattr(redis_client, _name, _seconds)

CIRCUITS = (vitals.cache.breaker, vitals.fence.replicas, interconnect.views.breaker)

DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "manage", "process_environment"}

# A machine that is busy is no counterexample.
hypothesis_settings.register_profile("epicops", deadline=None)
hypothesis_settings.load_profile("epicops")

skipped_key = pytest.StashKey[list[str]]()


# Django would TRUNCATE every table and make every permission anew after each test that commits: half a second.
EMPTY_TABLES = """
DO $$ DECLARE name text; BEGIN
  SET LOCAL session_replication_role = replica;  -- no triggers: neither the audit trail's nor foreign keys'
  FOR name IN SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    AND relname NOT IN ('django_migrations', 'django_content_type', 'auth_permission',
                        'auth_group', 'auth_group_permissions')  -- what migrations have put there
  LOOP EXECUTE format('DELETE FROM %s', name); END LOOP;
END $$"""


def empty_tables(_test: TransactionTestCase) -> None:
    with connection.cursor() as cursor:
        cursor.execute(EMPTY_TABLES)


setattr(TransactionTestCase, "_fixture_teardown", empty_tables)  # noqa: B010
settings.PASSWORD_HASHERS = ["tests.hashers.QuickArgon2"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """The test database."""
    yield
    connections[ALIAS].close()  # or the test database cannot be removed


@functools.cache
def patient_clients() -> tuple[Redis, ...]:
    """Clients of the three roles that wait for seconds, not a web request's 100 ms, for a busy machine."""
    roles = (settings.EPICOPS_REDIS_SESSIONS_URL, settings.EPICOPS_REDIS_QUEUE_URL, settings.EPICOPS_REDIS_CACHE_URL)
    return tuple(connect(url, retries=1) for url in roles)


@pytest.fixture(autouse=True)
def _empty_redis(request: pytest.FixtureRequest) -> None:
    for client in patient_clients():
        client.flushall()
    if request.node.get_closest_marker("django_db"):
        request.getfixturevalue("_django_db_helper")
        empty_registry()


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    """Begin as a process that has just started: an outage that an earlier test made is none of this one's."""
    factories.a_second_later()
    for circuit in CIRCUITS:
        circuit.close()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test of frozen servers: its clients wait for one no longer than in life."""
    for name, seconds in IN_LIFE.items():
        monkeypatch.setattr(redis_client, name, seconds)
    clusters.forget()
    yield
    clusters.forget()


def use_both_connections(item: pytest.Item) -> None:
    """Let a test with the database use the session registry's connection, too."""
    names = set(getattr(item, "fixturenames", ()))
    marker = item.get_closest_marker("django_db")
    if marker is not None or names & DATABASE_FIXTURES:
        options = {} if marker is None else dict(marker.kwargs)
        item.add_marker(pytest.mark.django_db(**options | {"databases": ["default", ALIAS]}), append=False)


def empty_registry() -> None:
    """Forget all sessions: the registry's connection commits, so no test's end rolls them back."""
    sessions = patient_clients()[0]
    run_id = sessions.info("server")["run_id"]
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("DELETE FROM sessions_app_sessionrecord")
        cursor.execute("DELETE FROM sessions_app_storestate")
        cursor.execute(
            "INSERT INTO sessions_app_storestate (id, generation, mode, run_id) VALUES (1, 1, 'redis', %s)", [run_id]
        )
    sessions.set(keys.SESSIONS_GENERATION, 1)
    trust.forget()


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
    return os.environ | {"EPICOPS_DATABASE_URL": url, "EPICOPS_PLAIN_HTTP": "0", "PYTHONUNBUFFERED": "1"}


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
    for item in items:
        use_both_connections(item)
    # Last, because Playwright's event loop stays in this thread until the run ends.
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
    for item in items:
        if item.get_closest_marker("browser"):
            item.fixturenames.insert(0, "_database_beside_playwright")  # type: ignore[attr-defined]  # a Function has them
    # In CI they run and fail instead: a skip nobody reads is no test.
    if os.environ.get("CI") == "true":
        return
    for marker, (program, package) in NEEDS.items():
        if not shutil.which(program):
            for item in items:
                if item.get_closest_marker(marker):
                    item.add_marker(pytest.mark.skip(reason=f"{MISSING} {package}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    counts = {package: sum(f"{MISSING} {package}" in reason for reason in skipped) for _, package in NEEDS.values()}
    terminalreporter.config.stash[skipped_key] = [
        f"{count} TESTS DID NOT RUN: apt-get install {package}" for package, count in counts.items() if count
    ]


def pytest_unconfigure(config: pytest.Config) -> None:
    for line in config.stash.get(skipped_key, []):
        print(f"\n*** {line} ***")  # noqa: T201
