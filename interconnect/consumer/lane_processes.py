"""One process per lane, and one that deals out; they start and end together."""

import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

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
    started = [
        subprocess.Popen([*command, str(lane), *(["--drain"] if drain and lane == 0 else [])], stdout=subprocess.PIPE)
        for lane in range(number + 1)
    ]
    listeners = [gather(lane, process.stdout, tallies) for lane, process in enumerate(started) if process.stdout]
    try:
        systemd.notify("READY=1", f"STATUS=deals out to {number} lanes")
        while not stop.requested and all(process.poll() is None for process in started):
            systemd.notify("WATCHDOG=1")
            time.sleep(POLL)
        has_drained = drain and started[0].poll() == 0
    finally:
        for process in started:
            process.terminate()
        for process, listener in zip(started, listeners, strict=True):
            listener.join()  # ends with the process, and nothing is left unread
            process.wait()
    if not stop.requested and not has_drained:
        raise LaneEnded("A lane's process ended; all of them are stopped")
