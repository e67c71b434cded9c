"""Django's own checklist for deployments, with production's settings."""

import base64
import json
import os
import subprocess
import sys

import pytest

from tests.processes import PROJECT

SEALING_KEYS = json.dumps({"primary": "k001", "keys": {"k001": base64.b64encode(bytes(32)).decode()}})


def check(**settings: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"EPICOPS_DEBUG": "0", "EPICOPS_ALLOWED_HOSTS": "epicops.example"} | settings
    environment["EPICOPS_SECRET_KEY"] = "".join(map(chr, range(40, 120)))  # long and of many characters, as W009 asks
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("settings", [{"EPICOPS_SEALING_KEYS": SEALING_KEYS}, {"EPICOPS_ENCRYPTED_VOLUME": "1"}])
def test_the_deployment_check_has_nothing_to_say(settings: dict[str, str]) -> None:
    checked = check(**settings)

    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_deployment_that_writes_patients_in_clear_is_refused() -> None:
    checked = check()

    assert checked.returncode == 1
    assert "epicops.E001" in checked.stderr
