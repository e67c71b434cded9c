"""Django's own checklist for deployments, with production's settings."""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import ManageProcess

Check = Callable[..., tuple[int, str]]

SEALING_KEYS = json.dumps({"primary": "k001", "keys": {"k001": base64.b64encode(bytes(32)).decode()}})


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Check a deployment with these settings; status and complaints."""

    def run(**settings: str) -> tuple[int, str]:
        environment = os.environ | {"EPICOPS_PLAIN_HTTP": "0", "EPICOPS_ALLOWED_HOSTS": "epicops.example"} | settings
        environment["EPICOPS_SECRET_KEY"] = "".join(map(chr, range(40, 120)))  # long, of many characters: W009
        checked = ManageProcess(("check", "--deploy", "--fail-level", "WARNING"), environment, tmp_path / "check")
        return checked.wait(), checked.stderr

    return run


@pytest.mark.parametrize("settings", [{"EPICOPS_SEALING_KEYS": SEALING_KEYS}, {"EPICOPS_ENCRYPTED_VOLUME": "1"}])
def test_the_deployment_check_has_nothing_to_say(check: Check, settings: dict[str, str]) -> None:
    assert check(**settings) == (0, "")


def test_a_deployment_that_writes_patients_in_clear_is_refused(check: Check) -> None:
    status, complaints = check()

    assert status == 1
    assert "epicops.E001" in complaints
