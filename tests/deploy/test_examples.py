"""What deploy/ shows of a rendered tier and of containers is what this version does."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from epicops import acl
from epicops.redis_config import Site, files
from tests.processes import PROJECT

DEPLOY = PROJECT / "deploy"


def composed() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())
    return document


def test_the_example_is_what_render_redis_config_writes() -> None:
    passwords = {user: f"example-password-of-{user}" for user in (*acl.USERS, *acl.SENTINEL_USERS)}
    rendered = files(Site.read(DEPLOY / "epicops.toml"), passwords)
    example = DEPLOY / "example"

    shown = {str(path.relative_to(example)): path.read_text() for path in example.rglob("*") if path.is_file()}
    assert {"127.0.0.1/queue.conf", "127.0.0.1/users.acl", "tier.sh", "web.env"} < shown.keys()
    assert shown == {name: rendered[name] for name in shown}


def of_containers() -> list[list[str]]:
    """Return what containers run, word by word."""
    commands = [service.get("command", []) for service in composed()["services"].values()]
    return [shlex.split(command) if isinstance(command, str) else command for command in commands]


def of_units() -> list[list[str]]:
    """Return what units start, word by word."""
    lines = "".join(unit.read_text() for unit in (DEPLOY / "systemd").glob("*.service"))
    return [shlex.split(line) for line in re.findall(r"^Exec\w+=(.*)$", lines, re.MULTILINE)]


def managed(commands: list[list[str]]) -> dict[str, list[str]]:
    """Return the options of every management command by its name."""
    starts = ((command, place + 1) for command in commands for place, word in enumerate(command) if "manage.py" in word)
    return {command[name]: command[name + 1 :] for command, name in starts}


@pytest.mark.parametrize("commands", [of_containers(), of_units()], ids=["containers", "units"])
def test_commands_take_the_options_they_are_started_with(commands: list[list[str]]) -> None:
    started = managed(commands)

    assert {"consume_interconnect", "listen_mllp", "run_monitor", "sweep_sessions"} < started.keys()
    for name, options in started.items():
        load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(options)


@pytest.mark.parametrize("commands", [of_containers(), of_units()], ids=["containers", "units"])
def test_a_listener_has_a_certificate_and_asks_its_senders_for_theirs(commands: list[list[str]]) -> None:
    assert {"--tls-cert", "--tls-key", "--tls-client-ca"} < set(managed(commands)["listen_mllp"])


def test_the_secrets_of_containers_belong_to_their_user() -> None:
    user = re.findall(r"--uid (\d+)", (DEPLOY / "Dockerfile").read_text())

    assert re.findall(r"chown -R (\d+) deploy/secrets", (PROJECT / "docs/containers.md").read_text()) == user


def test_containers_set_variables_that_there_are() -> None:
    known = (PROJECT / "docs" / "configuration.md").read_text()
    names = {name.removesuffix("_FILE") for name in composed()["x-epicops"]["environment"]}

    assert {name for name in names if not re.search(rf"`{name}`", known)} == set()


def test_every_volume_and_secret_of_a_container_is_declared() -> None:
    document = composed()
    mounts = [each.partition(":")[0] for one in document["services"].values() for each in one.get("volumes", [])]

    assert {name for name in mounts if not name.startswith(".")} <= document["volumes"].keys()
    assert set(document["x-epicops"]["secrets"]) <= document["secrets"].keys()


@pytest.mark.redis70  # which the units start
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="not installed: systemd")
def test_systemd_understands_every_line_of_the_units(tmp_path: Path) -> None:
    here = {"/opt/epicops/.venv": sys.prefix, "/opt/epicops": str(PROJECT)}
    shutil.copytree(DEPLOY / "systemd", tmp_path, dirs_exist_ok=True)
    for unit in tmp_path.glob("*.service"):
        text = unit.read_text()
        for there, path in here.items():
            text = text.replace(there, path)
        unit.write_text(text)

    command = ["systemd-analyze", "verify", "--man=no", *map(str, tmp_path.glob("*.service"))]
    verified = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
