"""What PV2 says of a visit: expected discharge and flags, the newest statement whole."""

import pytest

from tests.builders import adt, at, drain, merge, push
from vitals.models import Bed, VisitPlan
from vitals.occupants import read_occupants

pytestmark = pytest.mark.django_db(transaction=True)


def with_pv2(message: bytes, *, discharge: str = "", precautions: str = "", isolated: bool = False) -> bytes:
    """The message with PV2-9, PV2-41 and PV1-40."""
    fields = {9: discharge, 41: precautions}
    pv2 = "PV2|" + "|".join(fields.get(number, "") for number in range(1, 42))
    if isolated:
        message += b"|" * (40 - message.rpartition(b"PV1|")[2].count(b"|") - 1) + b"I"
    return message + b"\r" + pv2.encode()


def test_a_plan_is_kept_with_its_visit() -> None:
    push(with_pv2(adt("A01"), discharge=at(600), precautions="C~N", isolated=True))
    drain()

    plan = VisitPlan.objects.get()
    assert plan.visit.number == "V00427013"
    assert plan.flags == ["isolation", "confused", "no-code"]
    assert plan.expected_discharge_at is not None


@pytest.mark.parametrize("order", [1, -1])
def test_of_one_batch_the_newest_statement_holds_whichever_comes_first(order: int) -> None:
    messages = (
        with_pv2(adt("A08", minutes=5), precautions="D"),
        with_pv2(adt("A01"), discharge=at(600), precautions="C"),
    )
    push(*messages[::order])
    drain()

    plan = VisitPlan.objects.get()
    assert (plan.flags, plan.expected_discharge_at) == (["deaf"], None)


def test_a_plan_goes_with_a_visit_that_is_merged() -> None:
    push(with_pv2(adt("A01", visit="V1"), precautions="N"), merge("A42", "00427013", "x", visit="V2", old_visit="V1"))
    drain()

    plan = VisitPlan.objects.get()
    assert (plan.visit.number, plan.flags) == ("V2", ["no-code"])


def pregnant(message: bytes) -> bytes:
    """The message with PV1-15."""
    fields = message.decode().split("|")
    fields[-5] = "B6"  # of PV1, which ends with PV1-19
    return "|".join(fields).encode()


@pytest.mark.parametrize("order", [1, -1])
def test_who_is_pregnant_is_so_without_a_plan_and_beside_one(order: int) -> None:
    messages = (with_pv2(adt("A01"), precautions="C"), pregnant(adt("A02", minutes=5)))
    for message in messages[::order]:
        push(message)
        drain()

    plan = VisitPlan.objects.get()
    assert (plan.flags, plan.status) == (["confused"], ["pregnant"])
    (occupant,) = read_occupants()[Bed.objects.get().pk]
    assert (occupant.flags, occupant.without_news2) == (("pregnant", "confused"), "pregnant")


def test_a_merged_visit_keeps_the_status_of_either() -> None:
    push(pregnant(adt("A01", visit="V1")), with_pv2(adt("A02", visit="V2", minutes=-5), precautions="N"))
    push(merge("A42", "00427013", "x", visit="V2", old_visit="V1", minutes=5))
    drain()

    plan = VisitPlan.objects.get()
    assert (plan.visit.number, plan.flags, plan.status) == ("V2", ["no-code"], ["pregnant"])


def test_a_message_without_pv2_says_nothing_of_the_plan() -> None:
    push(with_pv2(adt("A01"), precautions="C"), adt("A08", minutes=5))
    drain()

    assert VisitPlan.objects.get().flags == ["confused"]
