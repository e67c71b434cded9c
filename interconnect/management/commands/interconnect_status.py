"""The queue's counts for people and scripts."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from epicops.redis_client import queue_client
from interconnect.status import counts


class Command(BaseCommand):
    help = "Show how many messages wait, are in flight, and were applied, skipped or could not be applied."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON line")

    def handle(self, *, as_json: bool, **options: Any) -> None:
        try:
            status = counts(queue_client())
        except (RedisError, DatabaseError) as error:
            raise CommandError(f"A store is away: {type(error).__name__}") from error
        if as_json:
            self.stdout.write(json.dumps(status))
            return
        table = Table("", "messages")
        for name, number in status.items():
            table.add_row(name.replace("_", " "), f"{number:,}")
        Console().print(table)
