"""The hospital simulator's command line."""

import json
import secrets
import time
from argparse import ArgumentTypeError
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Protocol

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from redis.exceptions import RedisError
from rich.console import Console
from rich.live import Live

from epicops import keys
from epicops.arguments import PORT, between, not_negative, positive
from epicops.redis_client import queue_client
from epicops.shutdown import StopFlag, stop_on_signal
from interconnect.simulator import Hospital, leftovers, ticking, utc_now
from interconnect.wire.mllp_client import Counts, MLLPSender
from vitals.demo import AMONG_REAL_PATIENTS, PAT, refuse_real_patients

STEP = 0.5  # seconds; the longest it takes to notice SIGTERM
GRACE = 5.0  # seconds for the last answers after SIGTERM


class Sender(Protocol):
    """Takes messages and delivers them while it is pumped."""

    counts: Counts

    @property
    def pending(self) -> int: ...
    @property
    def has_room(self) -> bool: ...
    def send(self, message: bytes) -> None: ...
    def pump(self, seconds: float) -> None: ...
    def close(self) -> None: ...


class ListSender:
    """Delivers messages with LPUSH, as a system that writes to the queue itself does."""

    BATCH = 500

    def __init__(self) -> None:
        self.counts = Counts()
        self._redis = queue_client()
        self._waiting: list[bytes] = []

    @property
    def pending(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        return len(self._waiting) < self.BATCH

    def send(self, message: bytes) -> None:
        self.counts.sent += 1
        self._waiting.append(message)

    def pump(self, seconds: float) -> None:
        """Push what is waiting; wait only when there is nothing, or when Redis is away."""
        try:
            if self._waiting:
                self._redis.lpush(keys.QUEUE, *self._waiting)
                self.counts.accepted += len(self._waiting)
                self._waiting.clear()
                return
        except RedisError:
            self.counts.resent += len(self._waiting)
        time.sleep(seconds)

    def close(self) -> None:
        self._redis.close()


class Command(BaseCommand):
    help = (
        "Play a hospital: patients are admitted, moved and discharged and their vital signs drift, as HL7 messages "
        "over MLLP or straight onto the queue, until SIGTERM, SIGINT or --count. What is not acknowledged is resent."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py simulate_hospital --beds 8 --count 500 --rate 0 --lpush"
        parser.add_argument(
            "--beds", type=between(1, 10_000), default=32, metavar="N", help="beds, 80%% occupied (default: 32)"
        )
        parser.add_argument(
            "--rate", type=not_negative, default=5.0, metavar="R", help="messages a second; 0: all it can (default: 5)"
        )
        parser.add_argument(
            "--bad", type=percent, default=2.0, metavar="PERCENT", help="share of malformed messages (default: 2)"
        )
        parser.add_argument("--seed", type=int, metavar="N", help="repeat an earlier run's patients (default: random)")
        parser.add_argument("--count", type=positive, metavar="N", help="stop after so many messages")
        parser.add_argument(
            "--start",
            type=iso_time,
            metavar="TIME",
            help="ISO 8601; simulated clock, a second a message (default: now)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON line of what happened")
        parser.add_argument(
            "--fresh",
            action="store_true",
            help="first discharge whoever the database has in a bed since an earlier run, then admit the patients of "
            "the last twelve hours with their readings, first of all the one of the demo's MyChart login",
        )
        parser.add_argument(
            AMONG_REAL_PATIENTS, action="store_true", help="also where patients are on file who are not the demo's"
        )
        door = parser.add_mutually_exclusive_group()
        door.add_argument(
            "--mllp",
            type=address,
            default=("127.0.0.1", 2575),
            metavar="HOST:PORT",
            help="send to this listener (default: 127.0.0.1:2575)",
        )
        door.add_argument("--lpush", action="store_true", help="push to interconnect:queue instead")

    def handle(
        self, *, seed: int | None, beds: int, rate: float, bad: float, count: int | None, **options: Any
    ) -> None:
        if not options["among_real_patients"]:
            refuse_real_patients()
        seed = secrets.randbelow(10**9) if seed is None else seed
        clock = ticking(options["start"]) if options["start"] else utc_now
        expected = PAT if options["fresh"] else None
        hospital = Hospital(seed=seed, beds=beds, bad_percent=bad, clock=clock, expected=expected)
        sender: Sender = ListSender() if options["lpush"] else MLLPSender(*options["mllp"])
        for message in chain(leftovers(), hospital.past()) if options["fresh"] else ():
            sender.send(message)
        started_at = time.monotonic()
        with stop_on_signal() as stop, progress(sender, started_at, seed):
            simulate(hospital, sender, rate=rate, count=count, stop=stop)
        sender.close()
        summary = {"seed": seed, **asdict(sender.counts), "pending": sender.pending, **speed(sender, started_at)}
        shown = (
            json.dumps(summary) if options["json"] else "  ".join(f"{key} {value}" for key, value in summary.items())
        )
        self.stdout.write(shown)


def simulate(hospital: Hospital, sender: Sender, *, rate: float, count: int | None, stop: StopFlag) -> None:
    """Send `count` messages at an even rate until all have a final answer, or until asked to stop."""
    due = time.monotonic()
    last = None if count is None else sender.counts.sent + count
    while not stop.requested and (last is None or sender.counts.sent < last):
        now = time.monotonic()
        if due <= now and sender.has_room:
            sender.send(hospital.next_message())
            due = max(due + 1 / rate, now - 1) if rate else now  # an outage is not caught up with in a burst
        else:
            sender.pump(min(due - now, STEP) if due > now else STEP)
    given_up_at = None
    while sender.pending and (given_up_at is None or time.monotonic() < given_up_at):
        sender.pump(STEP)
        if stop.requested and given_up_at is None:
            given_up_at = time.monotonic() + GRACE


def progress(sender: Sender, started_at: float, seed: int) -> AbstractContextManager[object]:
    """Show a line that follows the counts, on a terminal only."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return nullcontext()

    def line() -> str:
        counts, rate = sender.counts, speed(sender, started_at)["rate"]
        done = f"[green]{counts.accepted:,}[/] accepted  [red]{counts.refused:,}[/] refused  {counts.resent:,} resent"
        return f"[bold]{counts.sent:,}[/] sent  {done}  {sender.pending} pending  {rate:,}/s  seed {seed}"

    return Live(console=console, get_renderable=line, refresh_per_second=4, transient=True)


def speed(sender: Sender, started_at: float) -> dict[str, float]:
    seconds = time.monotonic() - started_at
    return {"seconds": round(seconds, 2), "rate": round((sender.counts.accepted + sender.counts.refused) / seconds, 1)}


def percent(text: str) -> float:
    if not 0 <= (number := float(text)) <= 100:  # noqa: PLR2004  percent
        raise ArgumentTypeError("must be between 0 and 100")
    return number


def iso_time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return (moment if timezone.is_aware(moment) else timezone.make_aware(moment)).astimezone(UTC)


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise ArgumentTypeError("write it as HOST:PORT")
    return host.strip("[]"), PORT(port)
