"""The queue's counts for people and scripts."""

import json
import time
from typing import Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, close_old_connections
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from epicops.arguments import not_negative
from epicops.away import away
from epicops.redis_client import queue_client
from epicops.shutdown import StopFlag, stop_on_signal
from interconnect.status import Counts, counts


class Command(BaseCommand):
    help = "Show how many messages wait, are in flight, and were applied, skipped or could not be applied."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON line")
        parser.add_argument(
            "--watch", type=not_negative, nargs="?", const=2.0, metavar="SECONDS", help="again and again until Ctrl-C"
        )

    def handle(self, *, as_json: bool, watch: float | None, **options: Any) -> None:
        if watch:
            with stop_on_signal() as stop:
                self._watch(watch, stop)
            return
        try:
            status = counts(queue_client())
        except (RedisError, DatabaseError) as error:
            raise CommandError(away(error)) from error
        if as_json:
            self.stdout.write(json.dumps(status))
        else:
            Console().print(table(status))

    def _watch(self, seconds: float, stop: StopFlag) -> None:
        console, earlier = Console(), None
        while not stop.requested:
            try:
                status = counts(queue_client())
                shown: Table | str = table(status, earlier, seconds)
            except (RedisError, DatabaseError) as error:
                shown = away(error)
            else:
                earlier = status
            console.clear()  # nothing where the output is no terminal
            console.print(shown)
            time.sleep(seconds)
            close_old_connections()  # one that an outage broke is made anew


def table(status: Counts, earlier: Counts | None = None, seconds: float = 1.0) -> Table:
    """Return the counts and, beside an earlier look, how fast they change."""
    now, before = cast("dict[str, int]", status), cast("dict[str, int]", earlier or status)
    shown = Table("", "messages", *(["per second"] if earlier else []))
    for name, number in now.items():
        rate = [f"{(number - before[name]) / seconds:+,.1f}"] if earlier else []
        shown.add_row(name.replace("_", " "), f"{number:,}", *rate)
    return shown
