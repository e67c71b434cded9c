"""Numbers that commands take: argparse answers a wrong one with a line of its own."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Final


def between(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number of this range."""

    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise ArgumentTypeError(f"is from {least:,} to {most:,}")
        return value

    return number


PORT: Final = between(0, 65_535)
DAYS: Final = between(1, 36_500)
positive: Final = between(1, 10**9)


def not_negative(text: str) -> float:
    if not 0 <= (number := float(text)) < float("inf"):
        raise ArgumentTypeError("must be 0 or more")
    return number
