from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from vitals.demo import AMONG_REAL_PATIENTS, kept_passwords, refuse_real_patients, seed


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
        parser.add_argument(
            AMONG_REAL_PATIENTS, action="store_true", help="also where patients are on file who are not the demo's"
        )

    def handle(self, *, passwords: Path, among_real_patients: bool, **_options: Any) -> None:
        if not among_real_patients:
            refuse_real_patients()
        seed(kept_passwords(passwords))
