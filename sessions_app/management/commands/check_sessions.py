"""Proof that Redis and PostgreSQL agree about sessions."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn

from epicops.away import away
from sessions_app.agreement import differences
from sessions_app.live import LIVE


class Command(BaseCommand):
    help = "Compare registry, hashes and audit trail; print one JSON line. Exit status 1 when anything differs."

    def handle(self, **_options: Any) -> None:
        bar = ("{task.completed:,} compared", TimeElapsedColumn())
        with Progress(*bar, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("comparing", total=None)
            try:
                found = differences(lambda number: progress.advance(task, number))
            except (RedisError, DatabaseError) as error:
                raise CommandError(away(error)) from error
        sys.stdout.write(json.dumps({"live": LIVE.count(), "differences": dict(found)}) + "\n")
        if found:
            sys.exit(1)
