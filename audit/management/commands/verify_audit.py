"""The nightly check of the audit trail."""

import json
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import witness as witnesses
from audit.archive import ArchiveRefused, verify_archive
from audit.models import AuditEvent
from audit.verify import verify


class Command(BaseCommand):
    help = (
        "Check every audit row against the chain and name those that were changed, removed, moved or added. "
        "Exit status 1 when there are any."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py verify_audit --witness /mnt/witness/audit-heads.json"
        parser.add_argument(
            "--witness",
            type=Path,
            metavar="FILE",
            help="compare with the ends kept here by an earlier check, then keep the present ones; "
            "put it where the database's administrators cannot write",
        )
        parser.add_argument("--archive", type=Path, metavar="FILE", help="check this archived month instead")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON line")

    def handle(self, *, witness: Path | None, archive: Path | None, as_json: bool, **options: Any) -> None:
        if archive:
            self.stdout.write(f"{check_archive(archive):,} rows, as they were written")
            return
        started = time.monotonic()
        try:
            seen = witnesses.read(witness) if witness else {}
        except ValueError as error:
            raise CommandError(str(error)) from error
        result = verify(seen)
        seconds = time.monotonic() - started
        AuditEvent.objects.record(
            "E", "audit.verify", actor="verify_audit", detail={"rows": result.rows, "findings": result.found}
        )
        if as_json:
            summary = {"rows": result.rows, "seconds": round(seconds, 3), "findings": result.findings}
            self.stdout.write(json.dumps(summary))
        else:
            for finding in result.findings:
                self.stdout.write(finding)
            self.stdout.write(f"{result.rows:,} rows of {len(result.heads)} streams in {seconds:.1f} s")
        if result.found:
            raise CommandError(f"{result.found} findings: the audit trail has been tampered with")
        if witness:
            witnesses.keep(witness, result.heads)


def check_archive(path: Path) -> int:
    """Return the number of an archive's rows; raises CommandError unless it is whole."""
    try:
        return verify_archive(path)
    except (ArchiveRefused, OSError) as error:
        raise CommandError(f"{path.name}: {error}") from error
