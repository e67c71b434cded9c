"""What messages do to patients, stays and observations."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.builders import adt, drain, merge, oru, push
from vitals.models import LONG_AGO, Bed, Observation, Patient, PatientIdentifier, Stay, Visit
from vitals.observations import Row, write

pytestmark = pytest.mark.django_db(transaction=True)


def current_bed(mrn: str = "00427013") -> str:
    identifier = PatientIdentifier.objects.get(value=mrn)
    return Stay.objects.get(visit__patient=identifier.patient_id, to_at=None).bed.key


def test_an_admission_makes_the_patient_the_visit_the_bed_and_the_stay() -> None:
    push(adt("A01"))
    drain()

    assert current_bed() == "bed427"
    assert Patient.objects.get().family_name == "Okafor"


def test_an_mrn_keeps_its_leading_zeros() -> None:
    push(adt("A01", "00427"), adt("A01", "427", bed="428"))
    drain()

    assert set(PatientIdentifier.objects.values_list("value", flat=True)) == {"00427", "427"}


def test_a_transfer_moves_and_a_discharge_frees_the_bed() -> None:
    push(adt("A01"), adt("A02", bed="428", minutes=5), adt("A03", bed="428", minutes=9))
    drain()

    assert [(stay.bed.key, bool(stay.to_at)) for stay in Stay.objects.all()] == [("bed427", True), ("bed428", True)]


def test_a_late_transfer_never_moves_a_patient_back() -> None:
    push(adt("A01"), adt("A02", bed="429", minutes=9))
    drain()
    push(adt("A02", bed="428", minutes=5))
    drain()

    assert current_bed() == "bed429"


def test_the_same_message_twice_changes_nothing() -> None:
    push(adt("A01"), oru())
    drain()
    push(adt("A01"), oru())
    drain()

    assert [Visit.objects.count(), Stay.objects.count(), Observation.objects.count()] == [1, 1, 1]


def test_beds_of_the_same_number_in_two_units_have_two_names() -> None:
    push(adt("A01"), adt("A01", "2").replace(b"MED^427", b"ICU^427"))
    drain()

    assert set(Bed.objects.values_list("key", flat=True)) == {"bed427", "icu-bed427"}


def test_a_unit_alone_is_a_place() -> None:
    push(adt("A01").replace(b"MED^427^427^EPICOPS", b"ICU"))
    drain()

    assert current_bed() == "icu"


@pytest.mark.parametrize("newer_first", [True, False])
def test_the_newest_demographics_stay_whatever_comes_last(newer_first: bool) -> None:  # noqa: FBT001
    messages = [adt("A01", family="Old"), adt("A02", bed="428", minutes=5, family="New")]
    push(*(reversed(messages) if newer_first else messages))
    drain(size=1)

    assert Patient.objects.get().family_name == "New"


def test_a_correction_replaces_a_value_and_a_late_preliminary_one_does_not() -> None:
    push(oru(hr=78), oru(hr=87, status="C"), oru(hr=1, status="P"))
    drain()

    observation = Observation.objects.get()
    assert (int(observation.value), observation.status) == (87, "C")


def test_fahrenheit_is_kept_as_celsius_beside_what_was_sent() -> None:
    push(oru(temp=101.3).replace(b"|101.3||", b"|101.3|[degF]|"))
    drain()

    observation = Observation.objects.get()
    assert (float(observation.value), observation.sent_value, observation.sent_unit) == (38.5, "101.3", "[degF]")


def test_one_bad_value_does_not_lose_the_others() -> None:
    push(oru(hr=78, spo2="n/a", rr=16))
    drain()

    assert set(Observation.objects.values_list("vital", flat=True)) == {"hr", "rr"}


@pytest.mark.parametrize(
    "make",
    [
        lambda number: adt("A01", f"M{number}", bed=f"{number}"),
        lambda number: oru(f"M{number}"),
        lambda number: merge("A45", f"M{number}", "x", visit=f"VM{number}", old_visit=f"VM{number}", minutes=3),
    ],
)
def test_the_number_of_queries_does_not_grow_with_the_batch(make: Callable[[int], bytes]) -> None:
    def queries(messages: list[bytes]) -> int:
        push(*messages)
        with CaptureQueriesContext(connection) as captured:
            drain()
        return len(captured)

    push(*(make(number) for number in range(60)))  # the places exist
    drain()

    assert queries([make(1)]) == queries([make(number) for number in range(60)])


def test_the_number_of_queries_does_not_grow_with_the_merges() -> None:
    def queries(numbers: range) -> int:
        push(*(adt("A01", f"OLD{number}", bed="427") for number in numbers))
        push(*(oru(f"{name}{number}") for number in numbers for name in ("OLD", "NEW")))
        drain()
        push(*(merge("A40", f"NEW{number}", f"OLD{number}", minutes=3) for number in numbers))
        with CaptureQueriesContext(connection) as captured:
            drain()
        return len(captured)

    assert queries(range(1)) == queries(range(1, 60))


def test_a_batch_looks_its_observations_up_however_many_are_on_file() -> None:
    patient = Patient.objects.create(demographics_at=LONG_AGO)
    times, is_shown = [LONG_AGO + timedelta(minutes=minute) for minute in range(6000)], True
    rows = [Row(patient.pk, "hr", at, "", Decimal(80), "F", at, is_shown, "8867-4", "80", "", 1) for at in times]
    write(rows[:5000])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")  # reads of before count no longer
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ANALYZE vitals_observation")
        write(rows[4500:])
        cursor.execute("SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'vitals_observation'")

        assert cursor.fetchone() == (0,)
