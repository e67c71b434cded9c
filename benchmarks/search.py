#!/usr/bin/env python
"""How fast the console's lists and searches are over a million messages, a hundred thousand of them dead letters.

script/with-stack benchmarks/search.py [--quick] [--json]
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "epicops.settings"
os.environ["EPICOPS_PLAIN_HTTP"] = "1"  # which wants no collectstatic

import django

django.setup()

from django.db import connection
from django.test import Client
from django.urls import reverse
from rich.console import Console
from rich.table import Table

from epicops.bulk import copy_rows, next_ids
from interconnect.consumer.queue import uuid7
from interconnect.finding.searches import Search
from interconnect.finding.tokens import token
from interconnect.models import Batch, DeadLetter, FailureGroup, InboundMessage, MessageTokens
from sessions_app.models import User

PATIENTS = 20_000
SENDERS = 12
CAUSES = 400
SEARCHES = {
    "one patient": "PID-3:E0001327",
    "one patient, one type": "PID-3:E0001327 type:ORU^R01",
    "a common code": "OBX-3:8867-4",
    "a common type and sender": "type:ADT^A01 sender:EPIC3",
    "a common code of one patient": "OBX-3:8867-4 PID-3:E0001327",
    "a rare code": "OBX-3:2708-6",
    "two that never meet": "type:ADT^A01 OBX-3:8867-4",
    "old ones of a patient": "PID-3:E0001327 age:>2h",
    "nothing": "PID-3:NOBODY",
    "a control id": "C999",
}
TARGETS = {"search": 100.0, "list": 200.0}  # milliseconds, medians


def patient(number: int) -> str:
    return f"E{number % PATIENTS:07}"


def tokens(number: int) -> list[int]:
    is_result = number % 10 < 6
    found = [
        token("PID-3", patient(number * 7919)),
        token("type", "ORU^R01" if is_result else "ADT^A01"),
        token("sender", f"EPIC{number % SENDERS}"),
        token("status", "dead" if number % 10 == 0 else "applied"),
        token("control", f"C{number}"),
    ]
    if is_result:
        found += [token("OBX-3", code) for code in ("8867-4", "8480-6", "8462-4")]
        found += [token("OBX-3", "2708-6")] if number % 5000 == 1 else []
    return sorted(found)


def seed(count: int) -> None:
    """Write the rows as a worker would have left them."""
    batch = Batch.objects.create(id=uuid7(), size=count, worker="benchmark")
    ids = next_ids(InboundMessage, count)
    raw, digest = b"MSH|^~\\&|", b"\0" * 32
    columns = ("id", "batch_id", "ordinal", "status", "reason", "message_type", "control_id")
    header = (*columns, "sending_application", "sending_facility", "raw", "sha256")

    def messages() -> Iterator[tuple[Any, ...]]:
        for number, pk in enumerate(ids):
            status = "dead" if number % 10 == 0 else "applied"
            kind = "ORU^R01" if number % 10 < 6 else "ADT^A01"
            yield pk, batch.pk, number, status, "", kind, f"C{number}", f"EPIC{number % SENDERS}", "F", raw, digest

    copy_rows(InboundMessage, header, messages())
    copy_rows(MessageTokens, ("message_id", "tokens"), ((pk, tokens(number)) for number, pk in enumerate(ids)))
    groups = FailureGroup.objects.bulk_create(
        FailureGroup(fingerprint=number.to_bytes(32), error_class="missing-field", error_text="x", message_type="-")
        for number in range(CAUSES)
    )
    dead = ((pk, groups[pk % CAUSES].pk, "open", "missing-field", "", "PV1-3", "x") for pk in ids[::10])
    copy_rows(
        DeadLetter,
        ("message_id", "group_id", "state", "error_class", "error_code", "error_path", "error_text"),
        dead,
    )
    connection.cursor().execute("VACUUM ANALYZE")


def median(act: Callable[[], object], repeats: int) -> float:
    act()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        act()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def page(client: Client, url: str) -> Callable[[], object]:
    def get() -> None:
        response = client.get(url)
        assert response.status_code == 200, (url, response.status_code)

    return get


def measure(repeats: int) -> dict[str, float]:
    """Return milliseconds for each page, from the request to the rendered answer."""
    person, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    client = Client(headers={"host": "localhost"})
    client.force_login(person)
    found = {}
    for model in ("inboundmessage", "deadletter", "failuregroup"):
        url = reverse(f"admin:interconnect_{model}_changelist")
        found[f"list: {model}"] = median(page(client, url), repeats)
    for name, text in SEARCHES.items():
        search = Search.objects.create(text=text, searched_by=person)
        url = reverse("admin:interconnect_inboundmessage_changelist") + f"?search={search.pk}"
        found[f"search: {name}"] = median(page(client, url), repeats)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 messages")
    parser.add_argument("--json", action="store_true", help="the JSON line only")
    arguments = parser.parse_args()
    count = 100_000 if arguments.quick else 1_000_000
    seed(count)
    found = measure(5 if arguments.quick else 15)
    met = {name: value < TARGETS[name.partition(":")[0]] for name, value in found.items()}
    if not arguments.json:
        table = Table("page", "median ms", "target", "met")
        for name, value in found.items():
            table.add_row(name, f"{value:.1f}", f"{TARGETS[name.partition(':')[0]]:.0f}", "yes" if met[name] else "NO")
        Console().print(table)
    print(json.dumps({"messages": count, "milliseconds": found, "targets": TARGETS, "met": met}))


if __name__ == "__main__":
    main()
