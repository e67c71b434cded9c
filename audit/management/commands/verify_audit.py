"""The nightly check of the audit trail."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.models import AuditEvent
from audit.verify import Head, verify

SHOWN = 100  # findings


class Command(BaseCommand):
    help = (
        "Check every audit row against the chain and name those that were changed, removed, moved or added. "
        "Exit status 1 when there are any."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--witness",
            type=Path,
            metavar="FILE",
            help="compare with the ends kept here by an earlier check, then keep the present ones; "
            "put it where the database's administrators cannot write",
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON line")

    def handle(self, *, witness: Path | None, as_json: bool, **options: Any) -> None:
        started = time.monotonic()
        result = verify(read_witness(witness) if witness else {})
        seconds = time.monotonic() - started
        AuditEvent.objects.record(
            "E", "audit.verify", actor="verify_audit", detail={"rows": result.rows, "findings": len(result.findings)}
        )
        if as_json:
            summary = {"rows": result.rows, "seconds": round(seconds, 3), "findings": result.findings[:SHOWN]}
            self.stdout.write(json.dumps(summary))
        else:
            for finding in result.findings[:SHOWN]:
                self.stdout.write(finding)
            self.stdout.write(f"{result.rows:,} rows of {len(result.heads)} streams in {seconds:.1f} s")
        if result.findings:
            raise CommandError(f"{len(result.findings)} findings: the audit trail has been tampered with")
        if witness:
            write_witness(witness, result.heads)


def read_witness(path: Path) -> dict[int, Head]:
    """Return the ends of an earlier check; none before the first one."""
    try:
        return {int(stream): Head(*head) for stream, head in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise CommandError(f"{path} is no witness file") from error


def write_witness(path: Path, heads: Mapping[int, Head]) -> None:
    """Replace the file in one step: a crash leaves the old one."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(heads))
    draft.replace(path)
