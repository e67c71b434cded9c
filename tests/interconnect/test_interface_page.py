"""docs/hl7-interface.md, which senders read, names every event and every code."""

import re

from interconnect.handlers.dispatch import HANDLERS
from tests.processes import PROJECT
from vitals.codes import LOINC, MDC

PAGE = (PROJECT / "docs" / "hl7-interface.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table in a section."""
    section = PAGE.split(f"\n## {heading}\n")[1]
    table = re.search(r"\n\| --- .*?\n\n", section, re.DOTALL)
    assert table
    return [line.split("|") for line in table[0].split("\n")[2:-2]]


def test_every_event_has_its_row() -> None:
    named = {event for row in rows("Events") for event in re.findall(r"\bA\d\d\b", row[1])}

    assert named >= {name.partition("^")[2] for name in HANDLERS}


def test_every_code_has_its_row() -> None:
    named = {code for row in rows("Codes") for cell in row[2:4] for code in re.findall(r"[\d-]+", cell)}

    assert named == {*LOINC, *MDC}
