"""What a runbook shows of a terminal: its commands run, and what they print compared with what is written there."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

END = "__end__"
SECONDS = 400  # for all of a runbook's commands, on a machine with other work


def follow(text: str, environment: Mapping[str, str], folder: Path) -> None:
    """Run every command of a runbook, and look whether it says what is printed below it."""
    steps = [step for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL) for step in commands(block)]
    outcomes = run([step[0] for step in steps], environment, folder)
    for (command, expected), (output, status) in zip(steps, outcomes, strict=True):
        assert status == 0, f"{command}: {output}"
        assert matches(output.strip(), expected.strip()), f"{command}: {output}"


def matches(output: str, expected: str) -> bool:
    """Whether the output is the expected one, in which … stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, expected.split("…"))), output, re.DOTALL) is not None


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with its expected output."""
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, expected = step.partition("\n")
        yield command, expected


def run(lines: list[str], environment: Mapping[str, str], folder: Path) -> list[tuple[str, int]]:
    """Run lines in one shell, which knows nothing of the tests' own servers; return each one's output and status."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("EPICOPS_")}
    script = "".join(f"{{ {line}\n}} 2>&1; echo {END}$?\n" for line in lines)
    with subprocess.Popen(
        ["bash"], cwd=folder, env={**bare, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as shell:
        try:
            printed, _ = shell.communicate(script, SECONDS)
        except subprocess.TimeoutExpired as hung:
            shell.kill()
            raise AssertionError(f"no end after: {hung.output!r}") from None
    outputs = re.findall(rf"(.*?){END}(\d+)\n", printed, re.DOTALL)
    return [(output, int(status)) for output, status in outputs]
