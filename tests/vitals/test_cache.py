"""Vitals of beds: the wire form, the fallback and what never replaces what."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import cache as django_cache
from django.db import connection, connections
from django.utils.timezone import now
from django_redis import get_redis_connection
from pytest_django import DjangoAssertNumQueries

from epicops.embedded.stack import Stack
from tests import factories
from tests.builders import adt, drain, merge, oru, push
from tests.processes import ManageProcess
from vitals import cache, documents, fence
from vitals.cache import read_beds, write_through
from vitals.counts import Layer, Result, Subject, counts
from vitals.documents import Encounter, Source
from vitals.models import Bed, Observation
from vitals.occupants import read_occupants
from vitals.rows import read_rows

KEY = "patient:bed427:vitals"


@pytest.fixture
def bed(transactional_db: None) -> Bed:
    push(adt("A01"), oru(hr=78, sbp=120, dbp=80))
    drain()
    return Bed.objects.get(key="bed427")


def texts(bed: Bed) -> dict[str, str]:
    return {reading.vital: reading.text for reading in read_beds([bed])[bed.pk].readings}


def test_the_worker_writes_the_documented_form(bed: Bed) -> None:
    raw = get_redis_connection("default").get(KEY)

    assert raw.startswith(b'{"hr":78,"bp":"120/80",')
    assert 0 < get_redis_connection("default").pttl(KEY) <= fence.TTL


def test_a_hit_asks_postgresql_nothing(bed: Bed, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        vitals = read_beds([bed])[bed.pk]

    assert vitals.source is Source.CACHE
    assert [reading.text for reading in vitals.readings] == ["78", "120/80"]


def test_a_miss_is_filled_from_postgresql(bed: Bed) -> None:
    django_cache.delete(KEY)

    sources = [read_beds([bed])[bed.pk].source for _ in range(2)]

    assert sources == [Source.DATABASE, Source.CACHE]


def test_a_ward_of_misses_is_one_query(bed: Bed, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    push(*(adt("A01", f"00{number}", bed=str(number)) for number in range(401, 411)))
    drain()
    beds = list(Bed.objects.all())
    django_cache.clear()

    with django_assert_num_queries(1):
        read = read_beds(beds)

    assert len(read) == len(beds) == 11


def test_a_late_fill_does_not_replace_a_newer_document(bed: Bed) -> None:
    django_cache.delete(KEY)
    token, _ = fence.take_leases({bed.key: b""})
    late = documents.load([bed.pk]).values()
    push(oru(minutes=5, hr=140))
    drain()

    fence.write(late, token)

    assert texts(bed)["hr"] == "140"


def test_an_older_reading_that_arrives_late_changes_nothing(bed: Bed) -> None:
    push(oru(minutes=9, hr=140), oru(minutes=5, hr=99))
    drain()

    assert texts(bed)["hr"] == "140"


def test_a_refused_write_is_counted(bed: Bed) -> None:
    before = counts[Subject("vitals", Layer.REDIS, Result.REFUSED)]

    fence.write(documents.load([bed.pk]).values(), token="lost")

    assert counts[Subject("vitals", Layer.REDIS, Result.REFUSED)] == before + 1


def test_the_version_counts_an_older_transaction_that_commits_later(bed: Bed) -> None:
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; UPDATE vitals_observation SET value = 99 WHERE vital = 'hr'")
            Bed.objects.update(label="later")  # a younger transaction ends first
            before = documents.load([bed.pk])[bed.pk]
            cursor.execute("COMMIT")
    finally:
        other.close()

    after = documents.load([bed.pk])[bed.pk]

    assert (before.document["hr"], after.document["hr"]) == (78, 99)
    assert before.version < after.version


def test_fifty_threads_on_one_cold_key_are_one_database_read(bed: Bed) -> None:
    django_cache.delete(KEY)
    before = loads()

    def read(_: int) -> str:
        try:
            return read_beds([bed])[bed.pk].readings[0].text
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as threads:
        seen = set(threads.map(read, range(50)))

    assert seen == {"78"}
    assert loads() - before == 1


def loads() -> int:
    """How many beds readers have taken from PostgreSQL."""
    return counts[Subject("vitals", Layer.DATABASE, Result.HIT)]


READER = """
import time
from vitals import fence
from vitals.cache import read_beds
from vitals.models import Bed
bed, until, seen = Bed.objects.get(key="bed427"), time.monotonic() + 1.5, 0
while time.monotonic() < until:
    written = int(fence.client().get("test:written"))
    shown = int(read_beds([bed])[bed.pk].readings[0].text)
    assert shown >= written, (shown, written)
    seen += 1
print("reads", seen)
"""


@pytest.mark.slow
def test_four_processes_never_read_older_than_what_was_written_through(
    bed: Bed, manage: Callable[..., ManageProcess]
) -> None:
    client = fence.client()
    client.set("test:written", 0)
    readers = [manage("shell", "-c", READER) for _ in range(4)]
    value = 100
    while any(reader.is_running for reader in readers):
        value += 1
        Observation.objects.filter(vital="hr").update(value=value)  # a correction: its time stays
        if value % 5 == 0:
            client.delete(KEY)  # as an eviction or expiry does
        else:
            write_through([bed.pk])
            client.set("test:written", value)

    assert [reader.wait() for reader in readers] == [0, 0, 0, 0], readers[0].stderr


def test_a_document_of_another_visit_is_replaced_at_once(bed: Bed) -> None:
    old = get_redis_connection("default").get(KEY)
    push(adt("A03", minutes=30), adt("A01", "00999", minutes=40), oru("00999", minutes=41, hr=61))
    drain()
    get_redis_connection("default").set(KEY, old, ex=60)  # as after a crash between commit and write-through
    visit = bed.stays.get(to_at=None).visit
    encounter = Encounter(visit.pk, visit.patient_id)

    sources = [read_beds([bed], {bed.pk: encounter})[bed.pk].source for _ in range(2)]

    assert sources == [Source.DATABASE, Source.CACHE]
    assert texts(bed) == {"hr": "61"}


def test_a_visit_that_became_another_patients_does_not_bring_the_first_ones_readings(bed: Bed) -> None:
    push(oru("00999", hr=61))
    drain()
    old = get_redis_connection("default").get(KEY)
    push(merge("A45", "00999", "00427013", minutes=5, visit="V00427013", old_visit="V00427013"))
    drain()
    get_redis_connection("default").set(KEY, old, ex=60)  # as between commit and write-through

    (row,) = read_rows([bed], read_occupants([bed]), now())

    assert row.cells[0].reading
    assert row.cells[0].reading.text == "61"


def test_what_could_not_be_written_is_written_with_the_next_commit(bed: Bed, stack: Stack) -> None:
    stack.cache.kill()
    write_through([bed.pk])
    stack.cache.start()
    cache.breaker.close()

    write_through([])

    assert get_redis_connection("default").get(KEY) is not None


def test_a_bed_without_readings_is_remembered_briefly(bed: Bed) -> None:
    empty = factories.bed("bed999", bed.unit)

    sources = [read_beds([empty])[empty.pk].source for _ in range(2)]

    assert sources == [Source.DATABASE, Source.CACHE]
    assert 0 < get_redis_connection("default").pttl("patient:bed999:vitals") <= fence.EMPTY_TTL


@pytest.mark.parametrize(
    "poison",
    [
        b"00427",
        b"{",
        b"[]",
        b'"x"',
        b'{"hr":1}',
        b'{"hr":1,"at":{},"encounter":1}',
        b'{"hr":NaN,"at":{"hr":1},"encounter":1}',
        b'{"acvpu":"x","at":{"acvpu":1},"encounter":1}',
        b'{"at":{},"encounter":1,"scale":3}',
        b'{"hr":1,"at":{"hr":1767135600000000000},"encounter":1}',
        b'{"hr":1e300,"at":{"hr":1},"encounter":1}',
        b"[" * 100_000,
        b"",
    ],
)
def test_a_poisoned_document_is_a_miss(bed: Bed, poison: bytes) -> None:
    get_redis_connection("default").set(KEY, poison, ex=60)
    before = counts[Subject("vitals", Layer.REDIS, Result.POISON)]

    sources = [read_beds([bed])[bed.pk].source for _ in range(2)]

    assert sources == [Source.DATABASE, Source.CACHE]
    assert texts(bed)["bp"] == "120/80"
    assert counts[Subject("vitals", Layer.REDIS, Result.POISON)] == before + 1


def test_a_key_of_another_type_is_replaced(bed: Bed) -> None:
    get_redis_connection("default").delete(KEY)
    get_redis_connection("default").lpush(KEY, "x")

    sources = [read_beds([bed])[bed.pk].source for _ in range(2)]

    assert sources == [Source.DATABASE, Source.CACHE]


def test_every_bed_of_a_board_is_counted(bed: Bed) -> None:
    beds = [bed, factories.bed("bed998", bed.unit)]
    read_beds(beds)
    read_beds(beds)
    before = dict(counts)

    read_beds(beds)

    moved = {subject.result: counts[subject] - before[subject] for subject in before if subject.layer is Layer.REDIS}
    assert (moved[Result.HIT], moved[Result.NEGATIVE]) == (1, 1)


def test_a_document_written_by_redis_cli_is_read(bed: Bed) -> None:
    document = {"hr": 61, "bp": "99/60", "at": {"hr": 1, "bp": 1}, "encounter": 1}
    get_redis_connection("default").set(KEY, json.dumps(document), ex=60)

    assert texts(bed) == {"hr": "61", "bp": "99/60"}


def test_without_redis_the_database_answers(bed: Bed, stack: Stack) -> None:
    stack.cache.kill()

    assert read_beds([bed])[bed.pk].source is Source.DATABASE
    assert texts(bed)["hr"] == "78"


def test_an_empty_bed_has_no_readings(bed: Bed) -> None:
    push(adt("A03", minutes=30))
    drain()

    vitals = read_beds([bed])[bed.pk]

    assert (vitals.encounter, vitals.readings) == (None, ())


def test_the_next_patient_in_the_bed_does_not_inherit_readings(bed: Bed) -> None:
    push(adt("A03", minutes=30), adt("A01", "00999", minutes=40))
    drain()

    assert texts(bed) == {}


def test_a_temperature_is_shown_to_one_decimal(bed: Bed) -> None:
    push(oru(minutes=9, temp=37))
    drain()

    assert texts(bed)["temp"] == "37.0"


def test_unmatched_pressures_are_not_joined(bed: Bed) -> None:
    push(oru(minutes=9, sbp=135))
    drain()

    assert texts(bed)["bp"] == "135/-"


def test_an_unverified_reading_says_so(bed: Bed) -> None:
    push(oru(minutes=9, status="R", hr=99))
    drain()

    reading = read_beds([bed])[bed.pk].readings[0]

    assert (reading.text, reading.is_verified) == ("99", False)
