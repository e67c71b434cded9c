"""What ADT events do, message by message."""

import itertools
from datetime import timedelta

import pytest

from interconnect.models import DeadLetter, InboundMessage
from tests.builders import NINE, adt, at, drain, merge, oru, push
from vitals.models import Movement, Observation, Patient, PatientIdentifier, Stay, Visit

pytestmark = pytest.mark.django_db(transaction=True)


def where(mrn: str = "00427013") -> list[str]:
    """The beds a patient is in now."""
    patient = PatientIdentifier.objects.get(value=mrn).patient_id
    return list(Stay.objects.filter(visit__patient=patient, to_at=None).values_list("bed__key", flat=True))


def outcome() -> tuple[str, str]:
    message = InboundMessage.objects.latest("id")
    return message.status, message.reason


def test_an_update_moves_nobody() -> None:
    push(adt("A01"), adt("A08", bed="428", minutes=5, family="Obi"))
    drain()

    assert where() == ["bed427"]
    assert Patient.objects.get().family_name == "Obi"


def test_an_update_never_admits_again() -> None:
    push(adt("A01"), adt("A03", minutes=3), adt("A08", minutes=5))
    drain()

    assert where() == []


def test_two_quotes_clear_a_detail_and_an_empty_field_leaves_it() -> None:
    push(adt("A01"), adt("A31", minutes=5).replace(b"||19610412|F", b'||""|'))
    drain()

    patient = Patient.objects.get()
    assert (patient.birth_date, patient.sex) == (None, "F")


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_deletion_of_a_record_that_was_merged_away_is_not_its_survivors(
    order: tuple[int, ...], *, together: bool
) -> None:
    sent = [adt("A01", "1", visit="V1"), merge("A40", "1", "2", minutes=5), adt("A29", "2", minutes=6)]
    push(*(sent[place] for place in order))
    drain(200 if together else 1)

    assert where("1") == ["bed427"]


def test_of_two_deletions_that_come_together_the_later_holds() -> None:
    push(adt("A01"), adt("A29", minutes=9), adt("A29", minutes=5))
    drain()

    assert Stay.objects.get().to_at == NINE + timedelta(minutes=9)


def test_who_assigns_numbers_and_places_may_have_a_universal_id_only() -> None:
    one, other = (
        adt("A01").replace(b"^EPIC^MR", b"^&%s&ISO^MR" % oid).replace(b"^EPICOPS\x7c", b"^&%s&ISO\x7c" % oid)
        for oid in (b"1.2.3", b"1.2.4")
    )
    push(one, other)
    drain()

    assert sorted(PatientIdentifier.objects.values_list("authority", flat=True)) == ["1.2.3", "1.2.4"]
    assert Patient.objects.count() == Stay.objects.values("bed").distinct().count() == 2


def test_the_time_of_the_move_is_evn_6_and_never_pv1_44() -> None:
    moved = adt("A02", bed="428", minutes=50).replace(
        f"EVN|A02|{at(50)}".encode(), f"EVN|A02|{at(50)}||||{at(7)}".encode()
    )
    push(adt("A01"), moved + b"|" * 25 + at(-9000).encode())
    drain()

    assert Movement.objects.get(kind="transfer").occurred_at.minute == 7


@pytest.mark.parametrize("event", ["A05", "A14", "A15", "A16", "A25", "A26", "A27", "A09", "A21", "A22"])
def test_plans_and_leaves_keep_the_patient_where_they_are(event: str) -> None:
    push(adt("A01"), adt(event, bed="430", minutes=5))
    drain()

    assert where() == ["bed427"]
    assert outcome()[0] == "applied"


@pytest.mark.parametrize("event", ["A06", "A07", "A10"])
def test_a_change_of_class_and_an_arrival_move_where_they_name_a_bed(event: str) -> None:
    push(adt("A01"), adt(event, bed="428", minutes=5), adt(event, bed="", minutes=9))
    drain()

    assert where() == ["bed428"]


def test_an_outpatient_is_registered_without_a_bed_and_an_inpatient_is_not() -> None:
    push(adt("A04", bed="").replace(b"PV1|1|I", b"PV1|1|O"), adt("A01", "2", bed=""))
    drain()

    assert [Visit.objects.count(), DeadLetter.objects.get().error_path] == [1, "PV1-3"]


def test_a_swap_moves_both() -> None:
    second = adt("A17", "2", bed="427", minutes=5)
    push(adt("A01"), adt("A01", "2", bed="428"))
    push(adt("A17", bed="428", minutes=5) + b"\r" + second[second.index(b"PID|") :])
    drain()

    assert (where(), where("2")) == (["bed428"], ["bed427"])


def test_half_a_swap_is_a_dead_letter() -> None:
    push(adt("A17"))
    drain()

    assert DeadLetter.objects.get().error_class == "missing-segment"


def test_a_cancel_that_comes_first_waits_for_what_it_cancels() -> None:
    push(adt("A11", minutes=5))
    drain()
    push(adt("A01"))
    drain()

    assert where() == []


def test_a_deleted_visit_and_a_deleted_person_leave_their_beds() -> None:
    push(adt("A01"), adt("A23", minutes=5), adt("A01", "2", bed="428"), adt("A29", "2", minutes=5))
    drain()
    push(adt("A02", "2", bed="429", minutes=3))  # late
    drain()

    assert (where(), where("2")) == ([], [])


@pytest.mark.parametrize("event", ["A18", "A34", "A36", "A40", "A47"])
def test_a_merge_takes_visit_bed_and_vitals_along_and_late_messages_follow(event: str) -> None:
    push(adt("A01", "OLD"), oru("OLD", hr=61), merge(event, "NEW", "OLD", minutes=5), oru("OLD", minutes=6, hr=62))
    drain()

    assert where("NEW") == where("OLD") == ["bed427"]
    assert set(Observation.objects.values_list("patient__identifiers__value", flat=True)) == {"OLD", "NEW"}
    assert Patient.objects.filter(merged_into=None).count() == 1


def test_of_two_records_of_one_value_the_merged_patient_has_the_weightier() -> None:
    push(oru("OLD", hr=61, status="C"), oru("NEW", hr=60), merge("A40", "NEW", "OLD", minutes=5))
    drain()

    assert int(Observation.objects.get().value) == 61


def test_merging_what_nobody_has_seen_is_remembered() -> None:
    push(merge("A40", "NEW", "OLD", minutes=5))
    drain()
    push(adt("A01", "OLD"))
    drain()

    assert where("NEW") == ["bed427"]


def test_unnumbered_visits_of_merged_patients_are_one() -> None:
    push(
        adt("A01", "OLD").replace(b"|VOLD", b"|"),
        merge("A40", "NEW", "OLD", minutes=3),
        adt("A03", "NEW", minutes=5).replace(b"|VNEW", b"|"),
    )
    drain()

    assert where("NEW") == []


@pytest.mark.parametrize(("event", "numbers"), [("A42", "visit"), ("A50", "visit"), ("A45", "visit")])
def test_a_visit_with_a_new_number_is_the_same_visit(event: str, numbers: str) -> None:
    push(adt("A01", visit="V1"), merge(event, "00427013", "x", visit="V2", old_visit="V1", minutes=3))
    push(adt("A02", visit="V2", bed="428", minutes=5), adt("A03", visit="V1", minutes=9))
    drain()

    assert where() == []
    assert Stay.objects.count() == 2


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_number_that_two_patients_have_is_a_visit_of_each(order: tuple[int, ...]) -> None:
    messages = (
        adt("A01", "ONE", visit="1"),
        adt("A01", "TWO", visit="1", bed="428"),
        adt("A03", "TWO", visit="1", minutes=5),
    )
    for number in order:
        push(messages[number])
        drain()

    assert (where("ONE"), where("TWO")) == (["bed427"], [])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_number_that_two_records_of_one_patient_have_is_one_visit(order: tuple[int, ...]) -> None:
    messages = (
        adt("A01", "OLD", visit="1"),
        adt("A02", "NEW", visit="1", bed="428", minutes=2),
        merge("A40", "NEW", "OLD", minutes=3),
    )
    for number in order:
        push(messages[number])
        drain()

    assert where("NEW") == ["bed428"]
    assert Stay.objects.count() == 2


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_moved_visit_is_one_in_any_order(order: tuple[int, ...]) -> None:
    messages = (
        adt("A01", "WRONG", visit="1"),
        merge("A45", "RIGHT", "WRONG", visit="1", old_visit="1", minutes=2),
        adt("A02", "RIGHT", visit="1", bed="428", minutes=3),
    )
    for number in order:
        push(messages[number])
        drain()

    assert (where("RIGHT"), where("WRONG")) == (["bed428"], [])
    assert Stay.objects.count() == 2


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_whose_a_visit_is_outlives_its_number(order: tuple[int, ...]) -> None:
    messages = (
        adt("A01", "WRONG", visit="1"),
        merge("A42", "WRONG", "WRONG", visit="2", old_visit="1", minutes=1),
        merge("A45", "RIGHT", "WRONG", visit="1", old_visit="1", minutes=2),
    )
    for number in order:
        push(messages[number])
        drain()

    assert (where("RIGHT"), where("WRONG")) == (["bed427"], [])


def test_a_moved_visit_belongs_to_the_other_patient_whichever_came_first() -> None:
    push(merge("A45", "RIGHT", "WRONG", visit="V1", old_visit="V1", minutes=5), adt("A01", "WRONG", visit="V1"))
    drain()

    assert (where("RIGHT"), where("WRONG")) == (["bed427"], [])


def test_the_identifier_is_of_type_mr_wherever_it_stands() -> None:
    repetitions = b"123-45-6789^^^USA^SS~9^^^LAB^PI~00427013^^^EPIC^MR"
    push(adt("A01").replace(b"00427013^^^EPIC^MR", repetitions))
    drain()

    assert list(PatientIdentifier.objects.values_list("value", "authority")) == [("00427013", "EPIC")]


def test_a_configured_authority_goes_before_the_type(settings: pytest.FixtureRequest) -> None:
    settings.EPICOPS_PATIENT_AUTHORITIES = ["NATIONAL"]  # type: ignore[attr-defined]  # pytest-django's
    push(adt("A01").replace(b"00427013^^^EPIC^MR", b"00427013^^^EPIC^MR~77^^^NATIONAL^NH"))
    drain()

    assert PatientIdentifier.objects.get().value == "77"


@pytest.mark.parametrize("processing_id", ["T", "D"])
def test_a_test_message_touches_nothing_and_says_so(processing_id: str) -> None:
    push(adt("A01").replace(b"|P|2.5.1", f"|{processing_id}|2.5.1".encode()))
    drain()

    assert Patient.objects.count() == 0
    assert outcome() == ("skipped", f"not a production message: MSH-11 is {processing_id}")


NEXT_CENTURY = b"20990101120000+0000"


def test_an_admission_of_the_future_is_a_dead_letter() -> None:
    push(adt("A01").replace(b"EVN|A01|" + at(0).encode(), b"EVN|A01|" + NEXT_CENTURY))
    drain()

    letter = DeadLetter.objects.get()
    assert (letter.error_class, letter.error_path) == ("future-time", "EVN-2")


def test_a_discharge_planned_for_later_has_happened_when_it_is_told() -> None:
    discharge = adt("A03", minutes=3)
    push(adt("A01"), discharge + b"|" * (45 - discharge.rpartition(b"\r")[2].count(b"|")) + NEXT_CENTURY)
    drain()

    left_at = Stay.objects.get().to_at
    assert left_at is not None
    assert left_at.minute == 3


def test_details_of_a_message_of_the_future_hold_until_the_next() -> None:
    push(adt("A01", family="Obi").replace(at(0).encode(), NEXT_CENTURY, 1))
    drain()
    push(adt("A08", minutes=1, family="Eze"))
    drain()

    assert Patient.objects.get().family_name == "Eze"


def test_of_two_messages_of_one_second_the_later_one_holds() -> None:
    push(adt("A01", family="Obi"))
    drain()
    push(adt("A08", family="Eze"))
    drain()

    assert Patient.objects.get().family_name == "Eze"


def test_an_identifier_is_not_cut_short_to_somebody_elses() -> None:
    push(adt("A01", "9" * 64), adt("A01", "9" * 65, bed="428"))
    drain()

    assert PatientIdentifier.objects.get().value == "9" * 64
    assert (DeadLetter.objects.get().error_class, DeadLetter.objects.get().error_path) == ("too-long", "PID-3")
