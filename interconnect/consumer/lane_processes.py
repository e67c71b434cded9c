"""One process per lane, and one that deals out; they start and end together."""

import subprocess
import sys
import time
from collections.abc import Sequence
from threading import Thread
from typing import IO, Final, cast

from epicops import systemd
from epicops.shutdown import StopFlag
from interconnect.consumer.tally import Tally, gather

POLL: Final = 0.25  # seconds


class LaneEnded(Exception):  # noqa: N818  named for the event
    """A lane's process ended by itself; the others have been stopped."""


def run_lanes(number: int, arguments: Sequence[str], stop: StopFlag, tallies: dict[int, Tally], *, drain: bool) -> None:
    """Run the processes until asked to stop, or with `drain` until nothing is left; keep in `tallies` what they do."""
    command = [
        sys.executable,
        sys.argv[0],
        "consume_interconnect",
        *arguments,
        "--lanes",
        str(number),
        "--tell",
        "--lane",
    ]
    started: list[subprocess.Popen[bytes]] = []
    listeners: list[Thread] = []
    try:
        for lane in range(number + 1):
            draining = ["--drain"] if drain and lane == 0 else []
            started.append(process := subprocess.Popen([*command, str(lane), *draining], stdout=subprocess.PIPE))
            listeners.append(gather(lane, cast("IO[bytes]", process.stdout), tallies))
        systemd.notify("READY=1", f"STATUS=deals out to {number} lanes")
        while not stop.requested and all(process.poll() is None for process in started):
            systemd.notify("WATCHDOG=1")
            time.sleep(POLL)
        has_drained = drain and started[0].poll() == 0
    except OSError as error:  # EAGAIN, ENOMEM
        raise LaneEnded(f"A lane's process cannot be started: {error.strerror}") from error
    finally:
        for process in started:
            process.terminate()
        for listener in listeners:
            listener.join()  # ends with the process, and nothing is left unread
        for process in started:
            process.wait()
    if not stop.requested and not has_drained:
        raise LaneEnded("A lane's process ended; all of them are stopped")
