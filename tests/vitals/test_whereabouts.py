"""What other systems read about where patients are."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_redis import get_redis_connection

from epicops import keys
from epicops.embedded.stack import Stack
from interconnect.consumer.apply import apply_batch
from interconnect.consumer.delivery import Delivery
from interconnect.consumer.queue import uuid7
from tests.builders import NINE, adt, drain, merge, oru, push
from vitals import whereabouts
from vitals.models import Bed, PatientIdentifier, Visit

pytestmark = pytest.mark.django_db(transaction=True)


def patient_id(mrn: str = "00427013") -> int:
    return PatientIdentifier.objects.get(value=mrn).patient_id


def location(mrn: str = "00427013") -> dict[bytes, bytes]:
    copy: dict[bytes, bytes] = get_redis_connection("default").hgetall(keys.location(patient_id(mrn)))
    return copy


def occupant(bed: str) -> int | None:
    copy = get_redis_connection("default").get(keys.occupant(bed))
    return None if copy is None else int(copy)


def test_an_admitted_patient_has_a_location_and_the_bed_an_occupant() -> None:
    push(adt("A01"))
    drain()

    assert location() == {
        b"bed": b"bed427",
        b"unit": b"MED",
        b"room": b"427",
        b"facility": b"EPICOPS",
        b"visit": str(Visit.objects.get().pk).encode(),
        b"since": str(int(NINE.timestamp())).encode(),
    }
    assert occupant("bed427") == patient_id()


def test_a_move_and_a_discharge_take_the_copies_along() -> None:
    push(adt("A01"), adt("A02", bed="428", minutes=5))
    drain()
    assert (location()[b"bed"], occupant("bed427"), occupant("bed428")) == (b"bed428", None, patient_id())

    push(adt("A03", minutes=9))
    drain()
    assert (location(), occupant("bed428")) == ({}, None)


def test_a_merged_patients_location_is_under_the_survivor_only() -> None:
    push(adt("A01", "OLD"))
    drain()
    old = patient_id("OLD")
    push(merge("A40", "NEW", "OLD", minutes=5))
    drain()

    assert not get_redis_connection("default").exists(keys.location(old))
    assert (location("NEW")[b"bed"], occupant("bed427")) == (b"bed427", patient_id("NEW"))


def test_of_two_in_one_bed_the_later_arrival_is_its_occupant() -> None:
    push(adt("A01", minutes=5), adt("A01", "2", minutes=3))
    drain()

    assert occupant("bed427") == patient_id()
    assert location("2")[b"bed"] == b"bed427"


def test_a_copy_lives_a_minute_and_its_absence_is_no_answer() -> None:
    push(adt("A01"))
    drain()

    ttl = get_redis_connection("default").ttl(keys.location(patient_id()))
    assert 0 < ttl <= whereabouts.TTL


def test_what_expired_is_written_again_by_an_idle_worker() -> None:
    push(adt("A01"), adt("A01", "2", minutes=5))
    drain()
    get_redis_connection("default").flushall()
    drain()

    assert (location()[b"bed"], occupant("bed427")) == (b"bed427", patient_id("2"))


def test_what_a_worker_committed_and_did_not_write_the_next_one_writes() -> None:
    push(adt("A01"), oru(hr=70))
    drain()
    for message in (adt("A02", bed="428", minutes=5), oru(hr=99, minutes=6)):  # committed, and then the worker dies
        apply_batch(uuid7(), [Delivery(0, message).interpret()], "worker")
    drain()

    redis = get_redis_connection("default")
    assert (occupant("bed427"), occupant("bed428")) == (None, patient_id())
    assert b'"hr":99' in redis.get(keys.vitals("bed428"))
    assert b'"hr"' not in redis.get(keys.vitals("bed427"))


def test_a_ward_is_written_by_two_queries() -> None:
    push(*(adt("A01", str(number), bed=str(number)) for number in range(30)))
    drain()
    patients = set(PatientIdentifier.objects.values_list("patient", flat=True))
    beds = set(Bed.objects.values_list("pk", flat=True))
    with CaptureQueriesContext(connection) as captured:
        whereabouts.write_through(patients, beds)

    assert len(captured) == 2


def test_messages_are_applied_while_the_cache_is_away(stack: Stack) -> None:
    stack.cache.kill()
    push(adt("A01"))
    drain()
    stack.cache.start()

    assert Visit.objects.count() == 1
