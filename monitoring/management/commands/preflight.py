"""The look before a start: can this deployment keep its promises."""

import json
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from monitoring.preflight import PROMISES, Finding, preflight


class Command(BaseCommand):
    help = "Connect to everything and say, promise by promise, what is kept, what is not, and why."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--strict", action="store_true", help="exit with 1 unless every promise is kept")
        parser.add_argument(
            "--promise", action="append", choices=PROMISES, help="look at this one only; may be repeated"
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON line")

    def handle(self, *, strict: bool, as_json: bool, promise: list[str] | None, **options: Any) -> None:
        wanted = promise or PROMISES
        findings = sorted((f for f in preflight() if f.promise in wanted), key=attrgetter("promise"))
        broken = [finding for finding in findings if not finding.is_kept]
        if as_json:
            rows = [finding._asdict() for finding in findings]
            self.stdout.write(json.dumps({"kept": not broken, "findings": rows}))
        else:
            for title, conditions in groupby(findings, key=attrgetter("promise")):
                self.stdout.write(title)
                for finding in conditions:
                    self.stdout.write(f"  {'kept    ' if finding.is_kept else 'NOT KEPT'}  {text(finding)}")
        if strict and broken:
            raise CommandError(f"{len(broken)} conditions are not met")


def text(finding: Finding) -> str:
    return finding.condition if finding.is_kept else f"{finding.condition}: {finding.why}"
