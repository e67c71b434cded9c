"""How fast audit rows are written with the chain on, beside the same rows in a plain table, and verified again."""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epicops.settings")

import django

django.setup()

from django.db import connection, transaction
from rich.console import Console
from rich.table import Table

from audit.models import AuditEvent, MachineAction
from audit.verify import verify

TARGET = 20_000  # rows/s, written
BATCH = 500  # rows; a busy worker claims up to twice as many
PLAIN = "CREATE TABLE audit_plain (LIKE audit_auditevent INCLUDING ALL)"


def actions(count: int) -> list[MachineAction]:
    return [
        MachineAction("C", "message.applied", "host:17:a3f2c1", number, "inboundmessage", str(number))
        for number in range(count)
    ]


def chained(rows: int) -> float:
    """Return rows/s written as the worker does: one transaction per batch."""
    started = time.perf_counter()
    for _ in range(rows // BATCH):
        with transaction.atomic():
            AuditEvent.objects.record_machine(actions(BATCH))
    return rows / (time.perf_counter() - started)


def plain(rows: int) -> float:
    """Return rows/s of the same rows by COPY without a chain, partitions or triggers."""
    statement = (
        "COPY audit_plain (action, code, actor, patient_id, object_type, object_id, detail, stream_id, seq, mac)"
        " FROM STDIN"
    )
    started = time.perf_counter()
    for _ in range(rows // BATCH):
        with transaction.atomic(), connection.cursor() as cursor, cursor.copy(statement) as copy:
            for action in actions(BATCH):
                copy.write_row((*action, "{}", 1, 1, b""))
    return rows / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the rows")
    parser.add_argument("--json", action="store_true", help="the JSON line only")
    options = parser.parse_args()
    rows = 20_000 if options.quick else 80_000
    with connection.cursor() as cursor:
        cursor.execute(PLAIN)
    chained(BATCH * 4)
    plain(BATCH * 4)
    pairs = [(chained(rows // 4), plain(rows // 4)) for _ in range(4)]
    written, without = (statistics.median(column) for column in zip(*pairs, strict=True))
    started = time.perf_counter()
    result = verify({})
    verified = result.rows / (time.perf_counter() - started)
    figures = {"chained": round(written), "plain": round(without), "verified": round(verified)}
    if not options.json:
        table = Table("", "rows/s")
        for name, figure in figures.items():
            table.add_row(name, f"{figure:,}")
        Console().print(table)
    met = {"chained": written >= TARGET, "whole": not result.findings}
    print(json.dumps({**figures, "ratio": round(written / without, 2), "targets": {"chained": TARGET}, "met": met}))


if __name__ == "__main__":
    main()
