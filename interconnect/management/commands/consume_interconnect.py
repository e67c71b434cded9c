"""The worker process."""

import gc
import json
import sys
import time
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from epicops.redis_client import queue_client
from epicops.shutdown import stop_on_signal
from interconnect.ownership import HUNG_SECONDS, TransactionPooling
from interconnect.worker import Worker
from interconnect.worker_metrics import serve_metrics

OBJECTS_PER_COLLECTION = 50_000  # those of a batch: nearly all of them live until it is committed, and none longer
MAX_BATCH = 1000  # Lua's unpack allows some 8,000 arguments; a larger claim gains nothing


class Command(BaseCommand):
    help = (
        "Apply queued HL7 messages in order until SIGTERM or SIGINT. One worker at a time owns the queue: "
        "start more of them as hot standbys."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--drain", action="store_true", help="stop when nothing is left; print one JSON line")
        parser.add_argument("--batch", type=batch_size, default=500, help="messages per transaction (default 500)")
        parser.add_argument("--metrics-port", type=int, metavar="PORT", help="serve this process's metrics on PORT")
        parser.add_argument(
            "--strict", action="store_true", help="start only where preflight says that no message can be lost"
        )
        parser.add_argument(
            "--hung-after",
            type=float,
            default=HUNG_SECONDS,
            metavar="SECONDS",
            help=f"as a standby, replace an owner that has been silent for so long (default {HUNG_SECONDS:.0f})",
        )

    def handle(self, *, drain: bool, batch: int, hung_after: float, **options: Any) -> None:
        if options["strict"]:  # CommandError says in words what is broken
            call_command("preflight", strict=True, promise=["No message is lost"], stdout=self.stderr)
        gc.freeze()  # what start-up made stays: a full collection need not look at it again
        gc.set_threshold(OBJECTS_PER_COLLECTION)
        started = time.monotonic()
        with stop_on_signal() as stop:
            worker = Worker(queue_client(), size=batch, drain=drain, stop=stop, hung_seconds=hung_after)
            if options["metrics_port"]:
                serve_metrics(worker, options["metrics_port"])
            try:
                worker.run()
            except TransactionPooling as error:
                raise CommandError(str(error)) from error
        if drain:
            tally = worker.tally
            counts = {status: tally.messages[status] for status in ("applied", "skipped", "dead")}
            seconds = round(time.monotonic() - started, 3)
            summary = {**counts, "batches": tally.batches, "redelivered": tally.redelivered, "seconds": seconds}
            sys.stdout.write(json.dumps(summary) + "\n")


def batch_size(text: str) -> int:
    size = int(text)
    if not 1 <= size <= MAX_BATCH:
        raise ValueError(text)
    return size
