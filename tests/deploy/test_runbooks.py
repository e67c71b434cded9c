"""The runbooks' own commands, run on a tier of loopback addresses, with the output they promise."""

import fnmatch
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from epicops.embedded.tier import Tier
from tests.processes import PROJECT

RUNBOOKS = sorted((PROJECT / "docs" / "runbooks").glob("*.md"))
OF_THE_TIER = [path for path in RUNBOOKS if "tier.sh" in path.read_text()]
HEADINGS = ["Symptom", "Confirm", "Act", "Verify", "Undo"]
END = "__end__"


@pytest.fixture(scope="module")
def tier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tier]:
    with Tier(tmp_path_factory.mktemp("runbooks"), down_after=300, is_fast=True) as tier:
        yield tier


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_runbook_has_its_five_parts(path: Path) -> None:
    assert re.findall(r"^## (.*)$", path.read_text(), re.MULTILINE) == HEADINGS


@pytest.mark.slow
@pytest.mark.ha
@pytest.mark.redis70
@pytest.mark.parametrize("path", OF_THE_TIER, ids=lambda path: path.stem)
def test_a_runbook_does_what_it_says(path: Path, tier: Tier) -> None:
    # Where the tier under test keeps what a host keeps in /etc/epicops.
    text = path.read_text().replace("/etc/epicops/tls", tier.site.tls).replace("/etc/epicops", f"{tier.root}/conf")
    steps = [step for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL) for step in commands(block)]

    for (command, expected), (output, status) in zip(steps, run([step[0] for step in steps]), strict=True):
        assert status == 0, f"{command}: {output}"
        assert fnmatch.fnmatchcase(output.strip(), expected.strip().replace("…", "*")), f"{command}: {output}"
    tier.wait_until_whole()


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with its expected output."""
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, expected = step.partition("\n")
        yield command, expected


def run(lines: list[str]) -> list[tuple[str, int]]:
    """Run lines in one shell; return each one's output and status."""
    script = "".join(f"{{ {line}\n}} 2>&1; echo {END}$?\n" for line in lines)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash"], input=script, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    )
    outputs = re.findall(rf"(.*?){END}(\d+)\n", done.stdout, re.DOTALL)
    return [(output, int(status)) for output, status in outputs]
