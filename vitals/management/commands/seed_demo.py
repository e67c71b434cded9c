from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from vitals.demo import kept_passwords, seed


class Command(BaseCommand):
    help = "Make the demo's wards, beds and people; a second run changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py seed_demo --passwords passwords.json"
        parser.add_argument(
            "--passwords",
            type=Path,
            required=True,
            metavar="FILE",
            help="JSON object of user names and passwords; names that are missing get a random one",
        )

    def handle(self, *, passwords: Path, **_options: Any) -> None:
        seed(kept_passwords(passwords))
