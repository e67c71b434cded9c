"""A line on a terminal that says what the worker is doing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from django.utils import timezone
from redis.exceptions import RedisError
from rich.console import Console

from epicops.redis_client import queue_client
from interconnect.consumer.tally import EVERY, Tallies, every_second
from interconnect.models import InboundMessage
from interconnect.status import read_queue

STATUSES: Final = InboundMessage.Status.values


@contextmanager
def progress_line(tallies: Callable[[], Tallies]) -> Iterator[None]:
    """Show once a second how fast it is, what waits, how old that is, and what died; nothing but on a terminal."""
    console = Console()
    if not console.is_terminal:
        yield
        return
    before = 0

    def show() -> None:
        nonlocal before
        now = sum(tally[status] for tally in tallies().values() for status in STATUSES)
        dead = sum(tally["dead"] for tally in tallies().values())
        line.update(f"{(now - before) / EVERY:,.0f} messages a second, {_waiting()}; {dead:,} dead of {now:,}")
        before = now

    with console.status("standing by") as line, every_second(show):
        yield


def _waiting() -> str:
    try:
        queue = read_queue(queue_client())
    except RedisError:
        return "Redis is away"
    oldest = queue.oldest_sent_at
    age = f", the oldest sent {(timezone.now() - oldest).total_seconds():,.0f} s ago" if oldest else ""
    return f"{queue.waiting:,} waiting, {queue.inflight:,} in flight{age}"
