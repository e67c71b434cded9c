"""Bookkeeping of sessions that ran out."""

import json
import logging
import sys
import time
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

from epicops.arguments import not_negative
from epicops.shutdown import stop_on_signal
from sessions_app.permission import refuse_another_user
from sessions_app.sweeper import sweep
from sessions_app.trust import DATABASE, OUTAGE, SessionsUnavailable

logger = logging.getLogger(__name__)

SLICE = 0.5  # seconds; the longest a waiting sweeper takes to notice SIGTERM


def attempt() -> None:
    """Sweep; what cannot be swept while a store is away is swept after it is back."""
    try:
        sweep()
    except (*DATABASE, *OUTAGE, SessionsUnavailable) as error:
        logger.error("sweep given up", extra={"error": type(error).__name__})  # noqa: TRY400  an outage is no bug


class Command(BaseCommand):
    help = "Record every session that ran out, once, with its reason; end hashes that would never expire."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="one pass, for cron; print one JSON line")
        parser.add_argument("--every", type=not_negative, default=30.0, help="seconds between passes (default 30)")

    def handle(self, *, once: bool, every: float, **_options: Any) -> None:
        refuse_another_user()
        if once:
            try:
                sys.stdout.write(json.dumps(asdict(sweep())) + "\n")
            except SessionsUnavailable as error:
                raise CommandError("neither Redis nor PostgreSQL answers") from error
            return
        with stop_on_signal() as stop:
            while not stop.requested:
                attempt()
                close_old_connections()
                until = time.monotonic() + every
                while not stop.requested and time.monotonic() < until:
                    time.sleep(SLICE)
