"""The same messages in any order, through the queue and the worker: the same stays, place and vitals."""

import itertools
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from django.core.cache import cache
from django_redis import get_redis_connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from epicops import keys
from tests.builders import adt, drain, merge, oru, push
from vitals.models import Bed, Observation, Patient, PatientIdentifier, Stay, SupersededObservation

pytestmark = pytest.mark.django_db(transaction=True)

COURSES = {
    "cancelled transfer": [adt("A01"), adt("A02", bed="428", minutes=5), adt("A12", bed="427", minutes=7)],
    "cancelled admission": [adt("A01"), adt("A02", bed="428", minutes=5), adt("A11", minutes=7)],
    "readmission": [adt("A01"), adt("A11", minutes=2), adt("A01", bed="429", minutes=4), adt("A03", minutes=9)],
    "discharge taken back": [
        adt("A01"),
        adt("A03", bed="427", minutes=5),
        adt("A13", bed="427", minutes=7),
        adt("A02", bed="428", minutes=9),
    ],
    "corrected vitals": [
        oru(hr=78, status="P"),
        oru(hr=79),
        oru(hr=80, stated=3),
        oru(hr=87, status="C", stated=4),
    ],
    "withdrawn vitals": [oru(hr=78), oru(hr=78, status="W", stated=4), oru(hr=80, minutes=-5), adt("A01")],
    "merge": [
        adt("A01", "OLD"),
        merge("A40", "NEW", "OLD", minutes=3),
        oru("OLD", minutes=4, hr=61),
        adt("A02", "NEW", visit="VOLD", bed="428", minutes=5),
    ],
    "merge along a chain and back": [
        adt("A01", "ONE"),
        merge("A40", "TWO", "ONE", minutes=3),
        merge("A40", "THREE", "TWO", minutes=4),
        merge("A40", "ONE", "THREE", minutes=6),
    ],
    "merged visits": [
        adt("A01", visit="V1"),
        adt("A02", visit="V2", bed="428", minutes=4),
        merge("A42", "00427013", "00427013", minutes=5, visit="V2", old_visit="V1"),
    ],
}


def state(own: Callable[[str], str]) -> Any:
    """Everything that a course says about its patients, under the names it has for them."""
    stays = Stay.objects.filter(visit__patient__identifiers__value__startswith=own(""))
    vitals = Observation.everything.filter(patient__identifiers__value__startswith=own(""))
    superseded = SupersededObservation.objects.filter(patient__identifiers__value__startswith=own(""))
    groups: dict[int, set[str]] = {}
    identifiers = PatientIdentifier.objects.filter(value__startswith=own(""))
    for value, patient in identifiers.values_list("value", "patient_id"):
        groups.setdefault(patient, set()).add(value.removeprefix(own("")))
    return (
        sorted(map(str, set(stays.values_list("bed__key", "from_at", "to_at", "is_inferred")))),
        sorted(map(str, set(vitals.values_list("vital", "value", "observed_at", "status", "is_shown")))),
        sorted(map(str, set(superseded.values_list("value", "status")))),
        sorted(map(sorted, groups.values())),
    )


def ending(name: str, messages: Sequence[bytes], *, size: int = 1) -> Any:
    """Deliver a course about patients of its own, and return how it ends."""
    for mrn in (b"00427013", b"OLD", b"NEW", b"ONE", b"TWO", b"THREE"):
        messages = [message.replace(mrn, f"{name}-".encode() + mrn) for message in messages]
    messages = [
        message.replace(b"|V1", f"|{name}-V1".encode()).replace(b"|V2", f"|{name}-V2".encode()) for message in messages
    ]
    push(*messages)
    drain(size=size)
    return state(lambda value: f"{name}-{value}")


@pytest.mark.parametrize("course", COURSES.values(), ids=COURSES)
def test_every_order_of_arrival_ends_the_same(course: list[bytes]) -> None:
    expected = ending("first", course)

    for number, order in enumerate(itertools.permutations(course)):
        assert ending(f"n{number:03}", order, size=1 + number % 4) == expected
    assert ending("twice", [*course, *reversed(course)]) == expected


KINDS = ["A01", "A02", "A03", "A11", "A12", "A13", "A17", "A40", "ORU", "ORU", "A02", "A01"]


@st.composite
def wards(draw: st.DrawFn) -> list[bytes]:
    """Three patients in three beds: admissions, transfers, swaps, cancels and merges, with vitals in between."""
    messages = [adt("A01", f"P{number}", bed=str(421 + number)) for number in range(3)]
    for minute in range(1, draw(st.integers(2, 9))):
        kind, mrn = draw(st.sampled_from(KINDS)), f"P{draw(st.integers(0, 2))}"
        bed, other = str(draw(st.integers(421, 423))), f"P{draw(st.integers(0, 2))}"
        if kind == "ORU":
            messages.append(oru(mrn, minutes=minute, hr=60 + minute))
        elif kind == "A17":
            messages.append(swap(mrn, other, bed, minute))
        elif kind == "A40":
            messages.append(merge("A40", mrn, other, minutes=minute))
        else:
            messages.append(adt(kind, mrn, bed=bed, minutes=minute))
    return messages


def swap(mrn: str, other: str, bed: str, minute: int) -> bytes:
    first, second = adt("A17", mrn, bed=bed, minutes=minute), adt("A17", other, bed="424", minutes=minute)
    return first + b"\r" + second[second.index(b"PID|") :]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wards(), st.randoms(use_true_random=False), st.integers(1, 5))
def test_no_copy_of_a_bed_shows_anybody_else_or_their_vitals(messages: list[bytes], random: Random, size: int) -> None:
    cache.clear()
    prefix = f"R{Bed.objects.count()}-{PatientIdentifier.objects.count()}-".encode()
    own = [message.replace(b"||P", b"||" + prefix + b"P").replace(b"|VP", b"|V" + prefix) for message in messages]
    own = [message.replace(b"MRG|P", b"MRG|" + prefix + b"P") for message in own]
    for message in random.sample(own, len(own)):
        push(message)
        if random.random() < 1 / size:
            drain(size=size)
            check_copies()
    drain(size=size)
    check_copies()


def check_copies() -> None:
    """Each document names the visit that is in the bed now and values of its patient only; so do the places."""
    redis = get_redis_connection("default")
    stays = Stay.objects.filter(to_at=None).order_by("from_at", "pk").select_related("bed", "visit")
    present = {stay.bed_id: stay.visit for stay in stays}  # of two the later arrival
    places = {stay.visit.patient_id: stay.bed.key for stay in stays}
    for bed in Bed.objects.all():
        visit = present.get(bed.pk)
        assert redis.get(keys.occupant(bed.key)) == (str(visit.patient_id).encode() if visit else None)
        if (document := cache.get(keys.vitals(bed.key))) is not None:
            assert document["encounter"] == (visit.pk if visit else None)
            theirs = Observation.objects.filter(patient=visit.patient_id if visit else None)
            assert "hr" not in document or theirs.filter(vital="hr", value=document["hr"]).exists()
    for patient in Patient.objects.all():
        place = redis.hget(keys.location(patient.pk), "bed")
        assert place == (places[patient.pk].encode() if patient.pk in places else None)
