"""Proof that Redis and PostgreSQL agree about sessions."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from sessions_app.agreement import differences
from sessions_app.live import LIVE


class Command(BaseCommand):
    help = "Compare registry, hashes and audit trail; print one JSON line. Exit status 1 when anything differs."

    def handle(self, **_options: Any) -> None:
        found = differences()
        sys.stdout.write(json.dumps({"live": LIVE.count(), "differences": dict(found)}) + "\n")
        if found:
            sys.exit(1)
