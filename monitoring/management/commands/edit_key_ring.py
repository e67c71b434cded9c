"""The file of EPICOPS_SEALING_KEYS_FILE, changed one step at a time."""

import base64
import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from epicops.crypto import KEY_BYTES, KeyRing
from epicops.private_file import write_private


class Command(BaseCommand):
    help = (
        "Add a random key to the ring, make one the primary, or remove one. The first key added is the primary. "
        "Between two steps every process has to be restarted; docs/runbooks/sealing-keys.md has the order."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py edit_key_ring /etc/epicops/ring --add k002"
        parser.add_argument("file", type=Path, help="the ring, made if there is none; readable by its owner only")
        step = parser.add_mutually_exclusive_group(required=True)
        step.add_argument("--add", metavar="ID", help="four characters, such as k002")
        step.add_argument("--primary", metavar="ID", help="what is sealed from now on is sealed under it")
        step.add_argument("--remove", metavar="ID", help="once verify_encryption shows nothing under it")

    def handle(self, *, file: Path, add: str | None, primary: str | None, remove: str | None, **options: Any) -> None:
        text = checked(file.read_text()) if file.exists() else ""
        ring = json.loads(text) if text else {"primary": add, "keys": {}}
        if add in ring["keys"]:
            raise CommandError(f"{add} is in the ring already")
        if add:
            ring["keys"][add] = base64.b64encode(os.urandom(KEY_BYTES)).decode()
        ring["primary"] = primary or ring["primary"]
        if remove and ring["keys"].pop(remove, None) is None:
            raise CommandError(f"{remove} is not in the ring")
        write_private(file, checked(json.dumps(ring)) + "\n")
        self.stdout.write(f"keys {', '.join(sorted(ring['keys']))}; primary {ring['primary']}")


def checked(text: str) -> str:
    """Return the text of a ring, empty for none; raises CommandError, which quotes no key, for what is none."""
    try:
        KeyRing.parse(text)
    except ValueError as error:
        raise CommandError(str(error)) from None
    return text
