"""A clock for how old a copy is."""

import time

# Unlike CLOCK_MONOTONIC it goes on while a machine is suspended: what was copied before is old afterwards.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Return seconds since the machine started; for differences within one machine only."""
    return time.clock_gettime(_CLOCK)
