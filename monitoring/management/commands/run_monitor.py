"""The monitor process."""

import logging
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from audit.witness import advance
from epicops.shutdown import StopFlag, stop_on_signal
from interconnect.feed.sequence_scan import catch_up
from monitoring.alerts import Memory, look
from monitoring.history import keep, make_partitions
from monitoring.messages import Blackout, tell
from monitoring.metrics import values
from monitoring.status import status

logger = logging.getLogger(__name__)

EVERY = 15.0  # seconds; the first look in a minute becomes its sample
TICK = 0.2  # seconds; the longest a SIGTERM waits


class Command(BaseCommand):
    help = (
        "Keep the history of the operations page until SIGTERM or SIGINT, look for gaps in the senders' numbers, and "
        "make next months' partitions of the audit trail. Two of them do no harm."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="take one sample and end")

        parser.add_argument(
            "--witness", type=Path, metavar="FILE", help="keep here where the audit trail ends, for verify_audit"
        )

    def handle(self, *, once: bool, witness: Path | None, **options: Any) -> None:
        memory, blackout = Memory(), Blackout()
        with stop_on_signal() as stop:
            while not stop.requested:
                observe(memory, blackout)
                if witness:
                    witness_end(witness)
                if once:
                    return
                pause(stop)
                close_old_connections()  # one that an outage broke is made anew


def observe(memory: Memory, blackout: Blackout) -> None:
    """Take one look; an outage leaves a hole in the history, which is what happened."""
    try:
        make_partitions()
        keep(status())
        catch_up()
        look(values(), memory, timezone.now())
        tell()
    except DatabaseError as error:
        logger.warning("no sample", extra={"error": type(error).__name__})
        blackout.goes_on(time.monotonic())
    else:
        blackout.is_over()


def witness_end(witness: Path) -> None:
    """Note where the audit trail ends; what is cut off later is missed."""
    try:
        advance(witness)
    except (DatabaseError, OSError, ValueError) as error:
        logger.warning("audit trail not witnessed", extra={"error": type(error).__name__})


def pause(stop: StopFlag) -> None:
    until = time.monotonic() + EVERY
    while not stop.requested and time.monotonic() < until:
        time.sleep(TICK)
