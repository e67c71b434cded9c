"""What is read once for many messages."""

import tracemalloc
from collections.abc import Callable

import pytest

from interconnect.finding.tokens import token
from interconnect.hl7.timestamps import parse

LONG = 1_000_000


@pytest.mark.parametrize(
    "read",
    [lambda number: token("OBX-3", str(number) * LONG), lambda number: parse(f"20260101000000.{str(number) * LONG}")],
    ids=["token", "time"],
)
def test_what_is_long_is_not_kept_in_memory(read: Callable[[int], object]) -> None:
    tracemalloc.start()
    for number in range(5):
        read(number)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < LONG
