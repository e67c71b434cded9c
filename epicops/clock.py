"""A clock for how old a copy is, and the time as other systems read it."""

import time
from datetime import UTC, datetime

# Unlike CLOCK_MONOTONIC it goes on while a machine is suspended: what was copied before is old afterwards.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Return seconds since the machine started; for differences within one machine only."""
    return time.clock_gettime(_CLOCK)


def timestamp(moment: datetime | None = None) -> str:
    """Return a moment, by default this one, as the wire contract has it: 2025-12-30T22:00:00Z."""
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")[:-6] + "Z"
