"""What worker processes have done so far: counted in each, told by those of lanes, gathered by what started them."""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from typing import IO, Final

from epicops.shutdown import StopFlag

EVERY: Final = 1.0  # seconds

# Messages by status, `batches`, `redelivered` (batches that had been committed before), and `owners`: 1 while it owns.
Tally = Counter[str]
Tallies = Mapping[int, Tally]  # by lane


@contextmanager
def every_second(act: Callable[[], None]) -> Iterator[None]:
    """Do this in a thread, each second and once more at the end."""
    ended = Event()

    def repeat() -> None:
        while not ended.wait(EVERY):
            act()
        act()

    thread = Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def telling(tally: Tally, stop: StopFlag) -> Iterator[None]:
    """Print the tally every second. Once nobody reads it, whoever started this process is gone, and it is to stop."""

    def tell() -> None:
        try:
            sys.stdout.write(json.dumps(tally) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at its end
            stop.requested = True

    with every_second(tell):
        yield


def gather(lane: int, told: IO[bytes], into: dict[int, Tally]) -> Thread:
    """Keep the last tally that a lane's process told, in a thread that ends with it."""

    def listen() -> None:
        for line in told:
            into[lane] = Counter(json.loads(line))

    thread = Thread(target=listen, daemon=True)
    thread.start()
    return thread
