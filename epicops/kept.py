"""What a process need not ask again for a few seconds."""

from collections.abc import Callable
from typing import Generic, TypeVar

from epicops.clock import now

Key = TypeVar("Key")
Value = TypeVar("Value")

MOST = 50_000  # entries; beyond that a tenth is forgotten, the first to come


class Kept(Generic[Key, Value]):
    """Values by key, each for so many seconds after it was loaded.

    While a thread loads one again, the others go on with the old one, for as long again at most.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = now) -> None:
        self._seconds = seconds
        self._clock = clock
        self._values: dict[Key, tuple[float, Value]] = {}
        self._loading: set[Key] = set()

    def get(self, key: Key, load: Callable[[], Value]) -> Value:
        """Return the value, loaded where this process has none that is young enough."""
        kept, asked_at = self._values.get(key), self._clock()
        if kept is not None:
            age = asked_at - kept[0]
            if age < self._seconds or (key in self._loading and age < 2 * self._seconds):
                return kept[1]
        self._loading.add(key)
        try:
            value = load()
        finally:
            self._loading.discard(key)
        self._put(key, asked_at, value)
        return value

    def last(self, key: Key, within: float) -> Value | None:
        """Return the value as it was last loaded or put; None where that was never, or over `within` seconds ago."""
        kept = self._values.get(key)
        return kept[1] if kept is not None and self._clock() - kept[0] <= within else None

    def put(self, key: Key, value: Value) -> None:
        self._put(key, self._clock(), value)

    def forget(self) -> None:
        self._values.clear()

    def _put(self, key: Key, at: float, value: Value) -> None:
        if len(self._values) >= MOST and key not in self._values:
            for first in list(self._values)[: MOST // 10]:
                self._values.pop(first, None)
        self._values[key] = (at, value)
