"""The worker process."""

import gc
import json
import sys
import time
from argparse import SUPPRESS
from collections import Counter
from contextlib import nullcontext
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from epicops.arguments import PORT, between, not_negative
from epicops.redis_client import queue_client
from epicops.shutdown import stop_on_signal
from interconnect.consumer.lane_processes import LaneEnded, run_lanes
from interconnect.consumer.lanes import MOST as MOST_LANES
from interconnect.consumer.ownership import HUNG_SECONDS, TransactionPooling
from interconnect.consumer.progress import progress_line
from interconnect.consumer.tally import Tally, telling
from interconnect.consumer.worker import Worker
from interconnect.consumer.worker_metrics import serve_metrics

OBJECTS_PER_COLLECTION = 100_000  # those of a batch: nearly all of them live until it is committed, and none longer
MAX_BATCH = 1000  # Lua's unpack allows some 8,000 arguments; a larger claim gains nothing


class Command(BaseCommand):
    help = (
        "Apply queued HL7 messages in order until SIGTERM or SIGINT. One worker at a time owns the queue: "
        "start more of them as hot standbys."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py consume_interconnect --strict --metrics-port 9101"
        parser.add_argument("--drain", action="store_true", help="stop when nothing is left; print one JSON line")
        parser.add_argument(
            "--batch",
            type=between(1, MAX_BATCH),
            default=MAX_BATCH,
            help=f"messages per transaction (default {MAX_BATCH})",
        )
        parser.add_argument(
            "--lanes",
            type=int,
            default=1,
            choices=range(1, MOST_LANES + 1),
            metavar="N",
            help="apply in N processes beside the one that deals out, each patient's messages in order (default 1)",
        )
        parser.add_argument("--lane", type=int, metavar="K", help="be lane K of N only, 0 to deal out")
        parser.add_argument("--metrics-port", type=PORT, metavar="PORT", help="serve metrics of all lanes on PORT")
        parser.add_argument("--tell", action="store_true", help=SUPPRESS)  # what run_lanes hears of a lane
        parser.add_argument(
            "--strict", action="store_true", help="start only where preflight says that no message can be lost"
        )
        parser.add_argument(
            "--hung-after",
            type=not_negative,
            default=HUNG_SECONDS,
            metavar="SECONDS",
            help=f"as a standby, replace an owner that has been silent for so long (default {HUNG_SECONDS:.0f})",
        )

    def handle(self, *, drain: bool, batch: int, hung_after: float, **options: Any) -> None:
        if options["strict"]:  # CommandError says in words what is broken
            call_command("preflight", strict=True, promise=["No message is lost"], stdout=self.stderr)
        gc.set_threshold(OBJECTS_PER_COLLECTION)
        started = time.monotonic()
        tallies: dict[int, Tally] = {}
        if options["metrics_port"] is not None:
            serve_metrics(lambda: tallies, options["metrics_port"])
        lanes, lane = options["lanes"], options["lane"]
        try:
            with stop_on_signal() as stop, progress_line(lambda: tallies):
                if lanes > 1 and lane is None:
                    arguments = ["--batch", str(batch), "--hung-after", str(hung_after)]
                    run_lanes(lanes, arguments, stop, tallies, drain=drain)
                else:
                    worker = Worker(
                        queue_client(),
                        size=batch,
                        drain=drain,
                        stop=stop,
                        hung_seconds=hung_after,
                        lane=lane or 0,
                        lane_count=lanes,
                    )
                    tallies[lane or 0] = worker.tally
                    with telling(worker.tally, stop) if options["tell"] else nullcontext():
                        worker.run()
        except (LaneEnded, TransactionPooling) as error:
            raise CommandError(str(error)) from error
        if (drain or lane is not None) and not options["tell"]:
            done = sum(tallies.values(), Counter[str]())
            counts = {name: done[name] for name in ("applied", "skipped", "dead", "batches", "redelivered")}
            seconds = round(time.monotonic() - started, 3)
            sys.stdout.write(json.dumps({**counts, "seconds": seconds}) + "\n")
