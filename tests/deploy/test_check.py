"""Django's own checklist for deployments, with production's settings."""

import os
import subprocess
import sys

from tests.processes import PROJECT


def test_the_deployment_check_has_nothing_to_say() -> None:
    environment = os.environ | {"EPICOPS_DEBUG": "0", "EPICOPS_ALLOWED_HOSTS": "epicops.example"}
    environment["EPICOPS_SECRET_KEY"] = "".join(map(chr, range(40, 120)))  # long and of many characters, as W009 asks
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]

    checked = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stderr) == (0, "")
