"""Configuration files of the Redis tier."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from epicops.private_file import write_private
from epicops.redis_config import Site, files, new_passwords

PASSWORDS = "passwords.json"


class Command(BaseCommand):
    help = (
        "Write redis.conf, sentinel.conf and the ACL files of every host from one description. Passwords are made once "
        f"and kept in OUT/{PASSWORDS}; a second run with the same description changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py render_redis_config deploy/epicops.toml rendered"
        parser.add_argument("description", type=Path, help="for example deploy/epicops.toml")
        parser.add_argument("out", type=Path, help="folder to write; private to its owner")

    def handle(self, *, description: Path, out: Path, **options: Any) -> None:
        try:
            site = Site.read(description)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise CommandError(f"{description}: {error}") from error
        kept = out / PASSWORDS
        try:
            passwords = new_passwords(json.loads(kept.read_text()) if kept.exists() else {})
        except ValueError as error:
            raise CommandError(f"{kept} cannot be read: {error}") from error
        for name, text in {PASSWORDS: json.dumps(passwords, indent=2) + "\n", **files(site, passwords)}.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(path, text)
        self.stdout.write(f"{len(site.hosts)} hosts in {out}: copy OUT/HOST to {site.directory} of each host")
