"""What a process need not ask again for a few seconds."""

from collections.abc import Callable
from typing import Generic, TypeVar

from epicops.clock import now

Key = TypeVar("Key")
Value = TypeVar("Value")

MOST = 10_000  # entries; beyond that all are forgotten


class Kept(Generic[Key, Value]):
    """Values by key, each for so many seconds after it was loaded. Two threads may load the same one at once."""

    def __init__(self, seconds: float, clock: Callable[[], float] = now) -> None:
        self._seconds = seconds
        self._clock = clock
        self._values: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key, load: Callable[[], Value]) -> Value:
        """Return the value, loaded where this process has none that is young enough."""
        kept = self._values.get(key)
        asked_at = self._clock()
        if kept is not None and asked_at < kept[0]:
            return kept[1]
        value = load()
        if len(self._values) >= MOST:
            self._values.clear()
        self._values[key] = (asked_at + self._seconds, value)
        return value

    def forget(self) -> None:
        self._values.clear()
