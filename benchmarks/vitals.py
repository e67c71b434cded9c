#!/usr/bin/env python
"""Reads of vitals from PostgreSQL and from the cache, in named shapes, on a hospital of 500 beds.

Run it as: script/with-stack benchmarks/vitals.py [--quick | --short] [--json]

(a) `GET /hyperspace/api/beds/<bed>/vitals` beside a view that does nothing (/healthz), and boards at 2,000 bed reads a
second while a feed writes, under gunicorn as production runs it. (b), (c) Reads in this process. Each patient has a day
of readings. Both sides must return equal data before they are timed, and take turns. Where PostgreSQL wins, the table
says so.
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

import statistics
import threading
import timeit
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Final, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.utils import timezone
from rich.console import Console

from audit.models import AuditEvent
from benchmarks.http_load import as_many_as_go, at_rate, each_once, served
from epicops import keys
from epicops.portal import HYPERSPACE
from vitals.cache import read_beds, write_through
from vitals.comparison import HOSPITAL, SHAPES, compare, occupied_beds
from vitals.documents import Source
from vitals.local_copy import copies
from vitals.management.commands.compare_reads import line, table
from vitals.models import Bed, Observation, Patient, Stay, Unit, Visit

TARGETS = {"bed-orm": 4.0, "bed-local": 200.0, "day": 200.0}  # times as fast as PostgreSQL, at least
LOCAL_HIT = 5.0  # µs, at most
SHARE_OF_BARE = 0.6  # of the requests a second of a view that does nothing, at least
BED_READS = 2000  # a second through boards
BOARD_P99 = 50.0  # ms, at most
WARD = 32

READINGS = """
INSERT INTO vitals_observation
  (patient_id, vital, value, observed_at, status, stated_at, is_shown, sub_id, sent_code, sent_value, sent_unit,
   message_id)
SELECT p.id, v.vital, v.mean + (p.id * 7 + s.number) %% 9, %s - s.number * interval '1 minute' * %s,
  'F', %s, true, '', '', '', '', 1
FROM vitals_patient p, generate_series(0, %s) AS s(number),
  (VALUES ('hr', 70), ('sbp', 115), ('dbp', 70), ('rr', 14), ('spo2', 91), ('temp', 36)) AS v(vital, mean)
"""


class Form(NamedTuple):
    """How long a run is; `minutes` between two sets of readings, `seconds` of one turn, `samples` of a shape."""

    beds: int
    minutes: int
    seconds: float
    samples: int | None = None


FULL: Final = Form(HOSPITAL, 2, 4.0)
QUICK: Final = Form(HOSPITAL, 15, 1.0)
SHORT: Final = Form(40, 120, 0.3, 2)  # whether it runs; its figures say nothing


def seed(size: int, minutes: int) -> int:
    """Fill so many beds with a patient who has a set of readings every so many minutes; return how many readings."""
    now = timezone.now()
    units = Unit.objects.bulk_create(Unit(code=f"W{number}") for number in range(-(-size // WARD)))
    beds = Bed.objects.bulk_create(Bed(unit=units[n // WARD], room=str(n), key=f"bed{n}") for n in range(size))
    patients = Patient.objects.bulk_create(Patient(demographics_at=now) for _ in beds)
    visits = Visit.objects.bulk_create(Visit(patient=patient, number=str(patient.pk)) for patient in patients)
    Stay.objects.bulk_create(Stay(visit=v, bed=b, from_at=now) for v, b in zip(visits, beds, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(READINGS, [now, minutes, now, 24 * 60 // minutes - 1])
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


def signed_in() -> str:
    """Return the cookie of a nurse on every ward."""
    nurse = get_user_model().objects.create_user("bench", role="nurse")
    nurse.units.set(Unit.objects.all())
    client = Client()
    client.force_login(nurse)
    session = client.session
    session.update({"role": "nurse", "portal": HYPERSPACE})
    session.save()
    return f"__Host-sid={client.cookies[settings.SESSION_COOKIE_NAME].value}"


@contextmanager
def feed() -> Iterator[None]:
    """Give 33 beds a second, every bed each 15 s, a new heart rate and write it through."""
    stop = threading.Event()

    def write() -> None:
        places = list(Stay.objects.values_list("bed_id", "visit__patient_id"))
        turn = 0
        while not stop.wait(1):
            chosen = [places[(turn + step) % len(places)] for step in range(-(-len(places) // 15))]
            turn += len(chosen)
            Observation.objects.bulk_create(
                Observation(patient_id=pk, vital="hr", value=60 + turn % 40, observed_at=timezone.now(), message_id=1)
                for _, pk in chosen
            )
            write_through([bed for bed, _ in chosen])
        connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def through_the_portal(seconds: float) -> dict[str, float]:
    """Return what the web server does: requests a second of both views, in turns, and the boards' waits in ms.

    `…_cpu_ms` is the server's processor time for one request: what holds on a machine that other work keeps busy.
    """
    cookie = signed_in()
    beds = [f"/hyperspace/api/beds/{key}/vitals" for key in Bed.objects.values_list("key", flat=True)]
    boards = [f"/hyperspace/units/{pk}/cells/" for pk in Unit.objects.values_list("pk", flat=True)]
    rates: dict[str, list[float]] = {"bare": [], "api": []}
    spent = {"bare": 0.0, "api": 0.0}
    with served() as server:
        for paths in (["/healthz"], boards, beds):
            each_once(server.port, cookie, paths)  # the views of these beds are on record now
        for _ in range(5):
            for name, paths in (("bare", ["/healthz"]), ("api", beds)):
                before = server.processor_seconds()
                rates[name].append(as_many_as_go(server.port, cookie, paths, seconds))
                spent[name] += server.processor_seconds() - before
        with feed():
            each_once(server.port, cookie, boards)
            before = server.processor_seconds()
            waits = at_rate(server.port, cookie, boards, BED_READS / WARD, seconds * 5)
            board_spent = server.processor_seconds() - before
    nurse = get_user_model().objects.get(username="bench")
    events = timeit.repeat(lambda: AuditEvent.objects.record("R", "bed.view", actor=nurse), number=20, repeat=5)
    figures = {
        "audit_event_ms": round(statistics.median(events) / 20 * 1000, 2),
        "share_of_bare": round(statistics.median(a / b for a, b in zip(rates["api"], rates["bare"], strict=True)), 2),
        "board_p50_ms": round(waits[len(waits) // 2] * 1000, 1),
        "board_p99_ms": round(waits[len(waits) * 99 // 100] * 1000, 1),
        "board_cpu_ms": round(board_spent / len(waits) * 1000, 2),
    }
    for name, found in rates.items():
        figures[f"{name}_per_s"] = round(statistics.median(found))
        figures[f"{name}_cpu_ms"] = round(spent[name] / (sum(found) * seconds) * 1000, 2)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer readings; ends within 45 s on two cores")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    parser.add_argument("--short", action="store_true", help="40 beds, to see that it runs")
    options = parser.parse_args()

    form = SHORT if options.short else QUICK if options.quick else FULL
    readings = seed(form.beds, form.minutes)
    portal = through_the_portal(form.seconds)
    found = [compare(shape, occupied_beds(), samples=form.samples) for shape in SHAPES]
    hit = local_hit()
    if not options.json:
        Console().print(table(found))
        print(
            f"A bed by HTTP: {portal['api_per_s']:,} requests/s, {portal['share_of_bare']} of the"
            f" {portal['bare_per_s']:,}/s of a view that does nothing ({portal['api_cpu_ms']} and"
            f" {portal['bare_cpu_ms']} ms of processor time). Boards at {BED_READS:,} bed reads/s:"
            f" p50 {portal['board_p50_ms']} ms, p99 {portal['board_p99_ms']} ms, {portal['board_cpu_ms']} ms of"
            f" processor time. An audit event, one for each view that begins: {portal['audit_event_ms']} ms."
        )
        print(f"{readings:,} readings. A local hit: {hit['copy']} µs, a bed from it {hit['read_beds']} µs.")
    ratios = {one.shape.name: one.ratio for one in found}
    targets = {name: {"at_least": least, "met": ratios[name] >= least} for name, least in TARGETS.items()}
    targets["local_hit_us"] = {"at_most": LOCAL_HIT, "met": hit["copy"] < LOCAL_HIT}
    targets["share_of_bare"] = {"at_least": SHARE_OF_BARE, "met": portal["share_of_bare"] >= SHARE_OF_BARE}
    targets["board_p99_ms"] = {"at_most": BOARD_P99, "met": portal["board_p99_ms"] < BOARD_P99}
    figures = {"figures": json.loads(line(found)), "portal": portal, "local_hit_us": hit, "readings": readings}
    print(json.dumps(figures | {"targets": targets}))


if __name__ == "__main__":
    main()
