"""What the frames of all connections may hold in memory together."""

from typing import Final

BYTES: Final = 64 * 1024 * 1024


class ByteBudget:
    """Counts the bytes of frames that are unfinished or not yet answered.

    Once it is spent, whoever sends more of an unfinished frame is asked to send it again later; frames that arrive
    whole still pass. So it may be exceeded, by one read of each connection.
    """

    def __init__(self, total: int = BYTES) -> None:
        self._total = total
        self._held = 0

    @property
    def is_spent(self) -> bool:
        return self._held >= self._total

    def change(self, by: int) -> None:
        """Count so many bytes more, or less."""
        self._held += by
