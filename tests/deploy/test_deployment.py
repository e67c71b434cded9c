"""docs/deployment.md, from an empty directory to the first message, by its own commands."""

import os
import re
import shutil
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from epicops.embedded import processes
from epicops.embedded.stack import free_port
from tests.deploy.console import follow
from tests.processes import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.ha, pytest.mark.redis70]

DATABASE = "deployment"
WRITTEN = "postgresql://epicops@db.example/epicops?sslmode=verify-full&sslrootcert=/etc/epicops/tls/ca.crt"
NOT_THE_CODE = shutil.ignore_patterns(".*", "var", "tests", "docs", "staticfiles", "__pycache__")


@pytest.fixture
def database() -> Iterator[str]:
    """The address of an empty database."""
    server = os.environ["EPICOPS_DATABASE_URL"]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
        yield urlsplit(server)._replace(path=f"/{DATABASE}").geturl()
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Path]:
    """An empty machine with the code in /opt/epicops; what is started there ends with the test."""
    shutil.copytree(PROJECT, tmp_path / "opt/epicops", ignore=NOT_THE_CODE)
    (tmp_path / "opt/epicops/.venv").symlink_to(sys.prefix)
    (tmp_path / "run/epicops").mkdir(parents=True)
    yield tmp_path
    processes.end(processes.daemons_under(tmp_path), signal.SIGKILL)


def test_a_new_operator_gets_from_an_empty_machine_to_the_first_message(
    machine: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("EPICOPS_")]:
        monkeypatch.delenv(name)
    ports: defaultdict[str, str] = defaultdict(lambda: str(free_port()))

    def here(text: str) -> str:
        for place in ("/etc/epicops", "/var/lib/epicops", "/opt/epicops", "/run/epicops"):
            text = text.replace(place, f"{machine}{place}")
        return re.sub(r"\b(6379|6380|6381|26379|2575)\b", lambda port: ports[port[0]], text)

    site = machine / "opt/epicops/deploy/epicops.toml"
    site.write_text(here(site.read_text()))

    follow(here((PROJECT / "docs/deployment.md").read_text().replace(WRITTEN, database)), {}, machine)
