"""Vitals of beds: the wire form, the fallback and what never replaces what."""

import json

import pytest
from django.core.cache import cache as django_cache
from django_redis import get_redis_connection
from pytest_django import DjangoAssertNumQueries

from epicops.breaker import Breaker
from epicops.embedded.stack import Stack
from tests.builders import adt, drain, oru, push
from vitals import cache
from vitals.cache import Source, read_beds
from vitals.models import Bed

KEY = "patient:bed427:vitals"


@pytest.fixture(autouse=True)
def _closed_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "breaker", Breaker("cache"))


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
    assert 0 < get_redis_connection("default").ttl(KEY) <= cache.TTL


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
    stale = cache.load_documents([bed.pk])[bed.pk]
    push(oru(minutes=5, hr=140))
    drain()

    cache._fill({KEY: stale})

    assert texts(bed)["hr"] == "140"


@pytest.mark.parametrize("poison", [b"00427", b"{", b"[]", b'"x"', b'{"hr":1}', b'{"hr":1,"at":{},"encounter":1}', b""])
def test_a_poisoned_document_is_a_miss(bed: Bed, poison: bytes) -> None:
    get_redis_connection("default").set(KEY, poison, ex=60)

    assert read_beds([bed])[bed.pk].source is Source.DATABASE
    assert texts(bed)["bp"] == "120/80"


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
