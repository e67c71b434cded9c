"""Retention of the audit trail."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.archive import ArchiveRefused, archive


def month(text: str) -> date:
    return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()


class Command(BaseCommand):
    help = (
        "Move the oldest month of the audit trail out of the database: verify its rows, write them with a signed "
        "manifest, drop the partition. Keep the files for six years (45 CFR 164.316(b)(2)(i))."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py archive_audit 2025-10 --to /mnt/archive --by 'A. Auditor'"
        parser.add_argument("month", type=month, help="for example 2025-10; 13 months stay online")
        parser.add_argument("--to", type=Path, required=True, metavar="DIRECTORY", help="where the files go")
        parser.add_argument("--by", required=True, metavar="NAME", help="who decided it, for the record")

    def handle(self, *, month: date, to: Path, by: str, **options: Any) -> None:
        try:
            manifest = archive(month, to, actor=by)
        except (ArchiveRefused, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{manifest['rows']:,} rows of {manifest['month']} archived, sha256 {manifest['sha256']}")
