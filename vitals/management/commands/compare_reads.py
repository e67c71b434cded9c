"""Reads from PostgreSQL beside reads from the cache, on this deployment's own data."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import track
from rich.table import Table

from epicops.arguments import between
from epicops.away import away
from vitals.comparison import SHAPES, Comparison, NotCached, Unequal, compare, occupied_beds

MICROSECONDS = 1_000_000


class Command(BaseCommand):
    help = "Time the same reads from PostgreSQL and from the cache, interleaved, once both return equal data."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py compare_reads bed-orm bed-local --samples 200"
        parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=", ".join(shape.name for shape in SHAPES))
        parser.add_argument("--samples", type=between(2, 10**6), help="instead of each shape's own number; at least 2")
        parser.add_argument("--json", action="store_true", help="print one JSON line instead of a table")

    def handle(self, *, shapes: list[str], samples: int | None, **options: Any) -> None:
        as_json = options["json"]
        chosen = [shape for shape in SHAPES if not shapes or shape.name in shapes]
        if unknown := set(shapes) - {shape.name for shape in SHAPES}:
            raise CommandError(f"no such shape: {', '.join(sorted(unknown))}")
        if not (beds := occupied_beds()):
            raise CommandError("no bed is occupied: nothing to read")
        try:
            found = [compare(shape, beds, samples) for shape in track(chosen, disable=as_json, transient=True)]
        except Unequal as error:
            raise CommandError(f"{error}: the sides return different data; is a feed writing meanwhile?") from None
        except NotCached:
            raise CommandError("the cache did not answer all the time: what was timed would be PostgreSQL") from None
        except RedisError as error:
            raise CommandError(away(error)) from None
        if as_json:
            self.stdout.write(line(found))
        else:
            Console().print(table(found))


def line(found: list[Comparison]) -> str:
    """Return the figures as one line of JSON: microseconds, p50, p95, p99."""
    return json.dumps(
        {
            one.shape.name: {
                "postgresql_us": [round(value * MICROSECONDS, 1) for value in one.postgresql],
                "cache_us": [round(value * MICROSECONDS, 1) for value in one.cache],
                "ratio": round(one.ratio, 2),
                "samples": one.samples,
                "beds": one.beds,
                "verdict": one.verdict,
            }
            for one in found
        }
    )


def table(found: list[Comparison]) -> Table:
    """Return the figures as a table: microseconds, p50 / p95 / p99."""
    table = Table("Shape", "PostgreSQL, µs", "Cache, µs", "Verdict", title="p50 / p95 / p99 of interleaved reads")
    for one in found:
        times = [" / ".join(f"{value * MICROSECONDS:,.0f}" for value in side) for side in (one.postgresql, one.cache)]
        table.add_row(f"{one.title} (n={one.samples})", *times, one.verdict)
    return table
