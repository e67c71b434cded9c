"""Stays follow from the set of movements."""

import itertools
from datetime import timedelta
from random import Random

from hypothesis import given, settings
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


CANCEL_ADMIT, CANCEL_TRANSFER = Movement.Kind.CANCEL_ADMIT, Movement.Kind.CANCEL_TRANSFER
CANCEL_DISCHARGE, DELETE = Movement.Kind.CANCEL_DISCHARGE, Movement.Kind.DELETE
OTHERS = [Movement.Kind.EXPECTED, Movement.Kind.TRANSFER_PENDING, Movement.Kind.DEPARTED, Movement.Kind.CANCEL_PENDING]


def test_what_is_planned_moves_nobody() -> None:
    planned = [moved(minute, kind, 2) for minute, kind in enumerate(OTHERS)]

    assert derive_stays([moved(0, ADMIT, 1), *planned]) == [span(1, 0, None)]
    assert derive_stays(planned) == []


def test_a_cancelled_admission_frees_the_bed() -> None:
    movements = [moved(0, ADMIT, 1), moved(3, TRANSFER, 2), moved(5, CANCEL_ADMIT)]

    assert derive_stays(movements) == []


def test_a_cancelled_admission_leaves_the_one_before_and_the_one_after() -> None:
    movements = [moved(0, ADMIT, 1), moved(2, DISCHARGE), moved(4, ADMIT, 2), moved(5, CANCEL_ADMIT)]

    assert derive_stays(movements) == [span(1, 0, 2)]
    assert derive_stays([*movements, moved(6, ADMIT, 3)]) == [span(1, 0, 2), span(3, 6, None)]


def test_a_cancel_that_names_the_time_of_the_admission_takes_what_followed_with_it() -> None:
    cancel = moved(0, CANCEL_ADMIT)._replace(recorded_at=NINE + timedelta(minutes=9))

    assert derive_stays([moved(0, ADMIT, 1), moved(3, TRANSFER, 2), cancel]) == []


def test_a_cancelled_transfer_leaves_the_patient_where_they_were() -> None:
    cancel = moved(5, CANCEL_TRANSFER, 1)._replace(prior_bed_id=2)

    assert derive_stays([moved(0, ADMIT, 1), moved(3, TRANSFER, 2), cancel]) == [span(1, 0, None)]


def test_cancelling_a_transfer_twice_is_cancelling_it_once() -> None:
    movements = [moved(0, ADMIT, 1), moved(2, TRANSFER, 2), moved(3, TRANSFER, 3)]
    cancels = [moved(5, CANCEL_TRANSFER, 2), moved(6, CANCEL_TRANSFER, 2)]

    assert derive_stays([*movements, *cancels]) == [span(1, 0, 2), span(2, 2, None)]


def test_a_cancelled_transfer_that_never_came_does_not_undo_the_one_before() -> None:
    cancel = moved(5, CANCEL_TRANSFER, 2)._replace(prior_bed_id=3)

    assert derive_stays([moved(0, ADMIT, 1), moved(3, TRANSFER, 2), cancel]) == [span(1, 0, 3), span(2, 3, None)]


def test_a_cancelled_discharge_goes_on_in_the_bed_it_names() -> None:
    movements = [moved(0, ADMIT, 1), moved(3, DISCHARGE), moved(4, DISCHARGE)]
    elsewhere = Span(2, NINE + timedelta(minutes=5), None, 0, is_inferred=True)

    assert derive_stays([*movements, moved(5, CANCEL_DISCHARGE, 1)]) == [span(1, 0, None)]
    assert derive_stays([*movements, moved(5, CANCEL_DISCHARGE, 2)]) == [span(1, 0, 5), elsewhere]


def test_a_cancelled_discharge_does_nothing_to_a_later_stay() -> None:
    movements = [moved(0, ADMIT, 1), moved(3, DISCHARGE), moved(4, CANCEL_DISCHARGE, 1), moved(6, TRANSFER, 2)]

    assert derive_stays(movements) == [span(1, 0, 6), span(2, 6, None)]


def test_a_deleted_visit_was_nowhere() -> None:
    assert derive_stays([moved(0, ADMIT, 1), moved(3, DISCHARGE), moved(4, DELETE)]) == []


def test_a_transfer_whose_admission_was_never_seen_is_marked() -> None:
    (stay,) = derive_stays([moved(3, TRANSFER, 2)])

    assert stay.is_inferred


def test_a_transfer_from_another_bed_than_ours_is_marked() -> None:
    transfer = moved(3, TRANSFER, 3)._replace(prior_bed_id=2)

    assert [stay.is_disputed for stay in derive_stays([moved(0, ADMIT, 1), transfer])] == [False, True]


def test_of_two_admissions_at_one_time_the_later_statement_is_the_correction() -> None:
    correction = moved(0, ADMIT, 1)._replace(recorded_at=NINE + timedelta(minutes=2))

    assert derive_stays([correction, moved(0, ADMIT, 7)]) == [span(1, 0, None)]


VALID = {  # what may follow, by whether the patient is in a bed
    True: [TRANSFER, DISCHARGE, CANCEL_ADMIT, CANCEL_TRANSFER],
    False: [ADMIT, CANCEL_DISCHARGE],
}


@st.composite
def courses(draw: st.DrawFn, longest: int = 7) -> list[Moved]:
    """Up to seven events of one visit, as a sender would have them happen."""
    course: list[Moved] = []
    for minute in range(draw(st.integers(1, longest))):
        here = derive_stays(course)
        is_here = bool(here) and here[-1].to_at is None
        kind = draw(st.sampled_from(VALID[is_here] if course else [ADMIT]))
        bed = draw(st.integers(1, 3)) if kind in (ADMIT, TRANSFER) else None
        if kind == CANCEL_TRANSFER:
            bed = draw(st.sampled_from([stay.bed_id for stay in here]))
        if kind == CANCEL_DISCHARGE and here:
            bed = here[-1].bed_id
        course.append(moved(minute, kind, bed))
    return course


@settings(max_examples=300)
@given(courses(), st.randoms(use_true_random=False))
def test_a_course_ends_the_same_in_whatever_order_it_arrives(course: list[Moved], random: Random) -> None:
    shuffled = random.sample(course, len(course))

    assert derive_stays(shuffled) == derive_stays(course)


@settings(max_examples=25)
@given(courses(longest=5))
def test_every_order_of_a_short_course_ends_the_same(course: list[Moved]) -> None:
    expected = derive_stays(course)

    assert all(derive_stays(order) == expected for order in itertools.permutations(course))


@given(
    st.lists(
        st.builds(
            moved,
            st.integers(0, 6),
            st.sampled_from(Movement.Kind),
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
