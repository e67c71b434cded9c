"""The comparison compares the same data, or refuses to."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from itertools import count
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests import factories
from vitals import documents, fence
from vitals.comparison import SHAPES, Comparison, NotCached, Sides, Unequal, compare, occupied_beds
from vitals.local_copy import copies
from vitals.models import Bed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _patients() -> None:
    for number in range(3):
        visit = factories.admit(factories.bed(f"bed{number}"))
        factories.observe(visit, minutes_ago=5, hr=60 + number)
        factories.observe(visit)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_each_shape_reads_the_same_from_both_sides(shape: object) -> None:
    assert isinstance(shape, type(SHAPES[0]))

    found = compare(shape, occupied_beds(), samples=3)

    assert found.samples == 3
    assert 0 < found.cache[0] <= found.cache[1] <= found.cache[2]
    assert not copies.is_started


def test_sides_that_disagree_are_not_timed() -> None:
    beds = occupied_beds()
    wrong = documents.load([beds[0].pk])[beds[0].pk]
    wrong.document["hr"] = 150
    fence.write([replace(wrong, version=wrong.version + 1_000_000)])  # the write-through will not replace it

    with pytest.raises(Unequal, match="bed-orm"):
        compare(SHAPES[0], beds, samples=2)


@pytest.mark.parametrize("name", ["bed-sql", "day"])
def test_postgresql_is_not_timed_as_the_cache(name: str) -> None:
    (shape,) = (known for known in SHAPES if known.name == name)

    @contextmanager
    def prepare(beds: Sequence[Bed]) -> Iterator[Sides]:
        with shape.prepare(beds) as sides:
            reads = count()

            def postgresql() -> Any:
                if next(reads) == 2:
                    fence.client().flushall()  # as a server that starts again, between two samples
                return sides.postgresql()

            yield sides._replace(postgresql=postgresql)

    with pytest.raises(NotCached):
        compare(replace(shape, prepare=prepare), occupied_beds(), samples=3)


@pytest.mark.parametrize(
    ("postgresql", "cached", "verdict"),
    [
        (0.010, 0.001, "The cache answers 10.0 times as fast."),
        (0.001, 0.002, "PostgreSQL wins: 2.0 times as fast as the cache."),
        (0.0011, 0.001, "No difference worth a cache."),
    ],
)
def test_the_verdict_says_who_wins(postgresql: float, cached: float, verdict: str) -> None:
    assert Comparison(SHAPES[0], 9, (postgresql,) * 3, (cached,) * 3, beds=1).verdict == verdict


def test_the_command_prints_one_line() -> None:
    out = StringIO()
    call_command("compare_reads", "bed-orm", samples=2, json=True, stdout=out)

    assert list(json.loads(out.getvalue())) == ["bed-orm"]


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("compare_reads", "bed-sql", samples=2)

    assert "Verdict" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [("nonsense",), ("--samples", "1")])
def test_the_command_refuses_nonsense(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("compare_reads", *arguments)
