"""Stays follow from the set of movements."""

import itertools
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NINE
from vitals.models import Movement
from vitals.stays import Moved, Span, derive_stays

ADMIT, TRANSFER, DISCHARGE = Movement.Kind.ADMIT, Movement.Kind.TRANSFER, Movement.Kind.DISCHARGE


def moved(minutes: int, kind: str, bed: int | None = None) -> Moved:
    return Moved(NINE + timedelta(minutes=minutes), kind, bed)


def span(bed: int, start: int, end: int | None) -> Span:
    return Span(bed, NINE + timedelta(minutes=start), None if end is None else NINE + timedelta(minutes=end))


def test_an_admission_opens_a_stay() -> None:
    assert derive_stays([moved(0, ADMIT, 1)]) == [span(1, 0, None)]


def test_a_transfer_ends_one_stay_and_opens_the_next() -> None:
    stays = derive_stays([moved(0, ADMIT, 1), moved(5, TRANSFER, 2)])

    assert stays == [span(1, 0, 5), span(2, 5, None)]


def test_a_discharge_ends_the_stay() -> None:
    assert derive_stays([moved(0, ADMIT, 1), moved(5, DISCHARGE)]) == [span(1, 0, 5)]


def test_a_transfer_to_the_same_bed_changes_nothing() -> None:
    assert derive_stays([moved(0, ADMIT, 1), moved(5, TRANSFER, 1)]) == [span(1, 0, None)]


def test_a_discharge_alone_is_no_stay() -> None:
    assert derive_stays([moved(5, DISCHARGE)]) == []


def test_an_admission_and_transfer_in_the_same_minute_leave_the_transfers_bed() -> None:
    assert derive_stays([moved(0, TRANSFER, 2), moved(0, ADMIT, 1)]) == [span(2, 0, None)]


def test_every_arrival_order_ends_in_the_same_stays() -> None:
    movements = [moved(0, ADMIT, 1), moved(3, TRANSFER, 2), moved(3, TRANSFER, 3), moved(9, DISCHARGE)]

    results = [derive_stays(order) for order in itertools.permutations(movements)]

    assert all(result == results[0] for result in results)


@given(
    st.lists(
        st.builds(
            moved,
            st.integers(0, 6),
            st.sampled_from([ADMIT, TRANSFER, DISCHARGE]),
            st.one_of(st.none(), st.integers(1, 3)),
        )
    ).flatmap(lambda movements: st.tuples(st.just(movements), st.permutations(movements)))
)
def test_stays_do_not_depend_on_arrival_and_never_overlap(case: tuple[list[Moved], list[Moved]]) -> None:
    movements, shuffled = case

    stays = derive_stays(movements)

    assert derive_stays(shuffled) == stays
    for earlier, later in itertools.pairwise(stays):
        assert earlier.to_at is not None
        assert earlier.from_at < earlier.to_at <= later.from_at
