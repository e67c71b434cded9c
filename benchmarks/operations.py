#!/usr/bin/env python
"""How long the operations page takes over a large hospital's data, and how many queries.

script/with-stack benchmarks/operations.py [--quick] [--json]
"""

import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "epicops.settings"
os.environ["EPICOPS_PLAIN_HTTP"] = "1"  # which wants no collectstatic

import django

django.setup()

from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rich.console import Console
from rich.table import Table

from benchmarks.search import median, page
from benchmarks.search import seed as seed_messages
from epicops import keys
from epicops.redis_client import sessions_client
from sessions_app.models import User
from vitals.models import Bed, Unit

TARGET = 150.0  # milliseconds, median
SESSIONS = """
INSERT INTO sessions_app_sessionrecord (key_hash, handle, sealed_id, user_id, role, department, portal, locked,
  bg_until, bg_ref, data, ver, idle, lock, last_activity, deadline, end_reason, ended_by, is_cleared)
SELECT 'h' || n, 'h' || n, '', n, (ARRAY['nurse', 'physician', 'patient'])[1 + n % 3], 'medicine',
  CASE n % 3 WHEN 2 THEN 'MyChart' ELSE 'Hyperspace' END, '', '', '', '', 1, 1800000, 900000,
  now() - n % 1500 * interval '1 second', now() + interval '8 hours', '', '', false
FROM generate_series(1, %s) AS n"""
EVENTS = """
INSERT INTO audit_auditevent (action, code, actor_id, actor, object_type, object_id, detail, stream_id, seq, mac)
SELECT 'C', 'message.applied', CASE WHEN n %% 50000 = 0 THEN 1 END, 'worker', 'inboundmessage', n, '{}', 0, n, ''
FROM generate_series(1, %s) AS n"""


def seed(messages: int, sessions: int, beds: int) -> None:
    """Write the rows and hashes that the programs would have left."""
    seed_messages(messages)
    with connection.cursor() as cursor:
        cursor.execute(SESSIONS.replace("n % ", "n %% "), [sessions])
        cursor.execute(EVENTS, [messages])
    with sessions_client().pipeline(transaction=False) as pipe:
        for number in range(sessions):
            pipe.hset(keys.session(f"benchmark{number}"), "user_id", number)
            pipe.pexpire(keys.session(f"benchmark{number}"), 1_800_000 - number % 1500 * 1000)
            if number % 500 == 0:  # within the web client's timeout
                pipe.execute()
        pipe.execute()
    unit = Unit.objects.create(code="ALL", facility="EPICOPS", name="All")
    Bed.objects.bulk_create(Bed(unit=unit, room=str(n), label=str(n), key=f"bed{n}") for n in range(beds))
    call_command("run_monitor", once=True)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--json", action="store_true", help="the JSON line only")
    options = parser.parse_args()
    share = 10 if options.quick else 1
    seed(1_000_000 // share, 10_000 // share, 2_000 // share)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_superuser("benchmark"))
    figures, queries = {}, {}
    for name in ("admin:index", "operations_now", "operations_panels"):
        figures[name], queries[name] = measure(client, reverse(name))
    if not options.json:
        table = Table("page", "median, ms", "queries")
        for name, figure in figures.items():
            table.add_row(name, f"{figure:.1f}", str(queries[name]))
        Console().print(table)
    targets = {"admin:index": TARGET}
    met = {name: figures[name] < target for name, target in targets.items()}
    print(json.dumps({"milliseconds": figures, "queries": queries, "targets": targets, "met": met}))


def measure(client: Client, url: str) -> tuple[float, int]:
    """Return the median time in ms and the number of queries of a page."""
    get = page(client, url)
    get()
    with CaptureQueriesContext(connection) as captured:
        get()
    queries = len(captured)  # now: the log is emptied at the next request
    return round(median(get, 15), 1), queries


if __name__ == "__main__":
    main()
