"""An outage of a store as the worker's log tells it: the first failure and the recovery, not each attempt."""

import logging
import time
from typing import Final

from django.db import Error
from redis.exceptions import RedisError

from epicops import systemd
from epicops.away import away

logger = logging.getLogger(__name__)

PAUSE_SECONDS: Final = (0.1, 2.0)  # first and longest, between two attempts


class Outage:
    """Whether one is going on, since when, and how long to wait before the next attempt."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._since: float | None = None
        self._pause = PAUSE_SECONDS[0]

    def wait(self, error: Exception) -> None:
        """Sleep, each time twice as long. Every answer of a store that is no answer counts, MISCONF and OOM too."""
        why = away(error) if isinstance(error, (RedisError, Error)) else type(error).__name__
        systemd.notify("WATCHDOG=1", f"STATUS=waits: {why}")
        if self._since is None:
            self._since, self._pause = time.monotonic(), PAUSE_SECONDS[0]
            logger.warning("worker waits", extra={"worker": self._worker, "error": why})
        else:
            self._pause = min(self._pause * 2, PAUSE_SECONDS[1])
        time.sleep(self._pause)

    def over(self, status: str) -> None:
        """Everything answers, or did all along; `status` is what the worker does now."""
        if self._since is not None:
            seconds = round(time.monotonic() - self._since, 1)
            logger.info("worker goes on", extra={"worker": self._worker, "seconds": seconds})
            systemd.notify(f"STATUS={status}")
            self._since = None
