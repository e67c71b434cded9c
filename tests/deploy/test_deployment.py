"""docs/deployment.md, from an empty directory to the first message, by its own commands."""

import os
import re
import shutil
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from epicops.embedded import processes
from epicops.embedded.stack import free_port
from tests.deploy.console import follow
from tests.deploy.services import write_sudo
from tests.processes import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.ha, pytest.mark.redis70, pytest.mark.postgresql]

NOT_THE_CODE = shutil.ignore_patterns(".*", "var", "tests", "docs", "staticfiles", "__pycache__")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Path]:
    """An empty machine with the code in /opt/epicops; what is started there ends with the test."""
    shutil.copytree(PROJECT, tmp_path / "opt/epicops", ignore=NOT_THE_CODE)
    (tmp_path / "opt/epicops/.venv").symlink_to(sys.prefix)
    for folder in ("run/epicops", "run/postgresql", "var/lib/postgresql", "bin"):
        (tmp_path / folder).mkdir(parents=True)
    write_sudo(tmp_path / "bin")
    yield tmp_path
    processes.end(processes.daemons_under(tmp_path), signal.SIGKILL)


def test_a_new_operator_gets_from_an_empty_machine_to_the_first_message(machine: Path) -> None:
    ports: defaultdict[str, str] = defaultdict(lambda: str(free_port()))

    def here(text: str) -> str:
        text = re.sub(r"/(etc|var/lib|opt|run)/(epicops|postgresql)\b", rf"{machine}\g<0>", text)
        return re.sub(r"\b(6379|6380|6381|26379|2575|5432)\b", lambda port: ports[port[0]], text)

    site = machine / "opt/epicops/deploy/epicops.toml"
    site.write_text(here(site.read_text()))

    environment = {"PATH": f"{machine}/bin:{os.environ['PATH']}", "EPICOPS_HOME": f"{machine}/opt/epicops"}
    follow(here((PROJECT / "docs/deployment.md").read_text()), environment, machine)
