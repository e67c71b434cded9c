#!/usr/bin/env python
"""Reads of vitals from PostgreSQL and from the cache, in named shapes, on a hospital of 500 beds.

Run it as: script/with-stack benchmarks/vitals.py [--quick] [--json]

Each patient has a day of readings. Both sides must return equal data before they are timed, and take turns. Where
PostgreSQL wins, the table says so.
"""

import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epicops.settings")
os.environ.setdefault("EPICOPS_LOG_LEVEL", "ERROR")

import django

django.setup()

import timeit
from time import monotonic, sleep

from django.db import connection
from django.utils import timezone
from rich.console import Console

from epicops import keys
from vitals.cache import read_beds, write_through
from vitals.comparison import HOSPITAL, SHAPES, compare, occupied_beds
from vitals.documents import Source
from vitals.local_copy import copies
from vitals.management.commands.compare_reads import line, table
from vitals.models import Bed, Observation, Patient, Stay, Unit, Visit

TARGETS = {"bed-orm": 4.0, "bed-local": 200.0, "day": 200.0}  # times as fast as PostgreSQL, at least
LOCAL_HIT = 5.0  # µs, at most

READINGS = """
INSERT INTO vitals_observation
  (patient_id, vital, value, observed_at, status, sub_id, sent_code, sent_value, sent_unit, message_id)
SELECT p.id, v.vital, v.mean + (p.id * 7 + s.number) %% 9, %s - s.number * interval '1 minute' * %s,
  'F', '', '', '', '', 1
FROM vitals_patient p, generate_series(0, %s) AS s(number),
  (VALUES ('hr', 70), ('sbp', 115), ('dbp', 70), ('rr', 14), ('spo2', 91), ('temp', 36)) AS v(vital, mean)
"""


def seed(minutes: int) -> int:
    """Fill every bed with a patient who has a set of readings every so many minutes; return how many readings."""
    now = timezone.now()
    unit = Unit.objects.create(code="ALL")
    beds = Bed.objects.bulk_create(Bed(unit=unit, room=str(n), key=f"bed{n}") for n in range(HOSPITAL))
    patients = Patient.objects.bulk_create(Patient(demographics_at=now) for _ in beds)
    visits = Visit.objects.bulk_create(Visit(patient=patient, number=str(patient.pk)) for patient in patients)
    Stay.objects.bulk_create(Stay(visit=v, bed=b, from_at=now) for v, b in zip(visits, beds, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(READINGS, [now, minutes, 24 * 60 // minutes - 1])
        cursor.execute("ANALYZE")
    return Observation.objects.count()


def local_hit() -> dict[str, float]:
    """Return microseconds of one look into this process' copies, and of one bed's reading through all of the cache."""
    (bed,) = occupied_beds(1)
    write_through([bed.pk])
    copies.start()
    deadline = monotonic() + 5
    while read_beds([bed])[bed.pk].source is not Source.LOCAL:
        if monotonic() > deadline:
            raise SystemExit("no local copies: is the cache server there?")
        sleep(0.01)
    name, number = keys.vitals(bed.key), 20_000
    timed = {"copy": lambda: copies.get(name), "read_beds": lambda: read_beds([bed])}
    best = {title: sorted(timeit.repeat(call, number=number, repeat=5))[2] for title, call in timed.items()}
    copies.stop()
    return {title: round(seconds / number * 1_000_000, 2) for title, seconds in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer readings; ends within 45 s on two cores")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    options = parser.parse_args()

    readings = seed(15 if options.quick else 2)
    found = [compare(shape, occupied_beds()) for shape in SHAPES]
    hit = local_hit()
    if not options.json:
        Console().print(table(found))
        print(f"{readings:,} readings. A local hit: {hit['copy']} µs, a bed from it {hit['read_beds']} µs.")
    ratios = {one.shape.name: one.ratio for one in found}
    targets = {name: {"at_least": least, "met": ratios[name] >= least} for name, least in TARGETS.items()}
    targets["local_hit_us"] = {"at_most": LOCAL_HIT, "met": hit["copy"] < LOCAL_HIT}
    print(
        json.dumps({"figures": json.loads(line(found)), "local_hit_us": hit, "readings": readings, "targets": targets})
    )


if __name__ == "__main__":
    main()
