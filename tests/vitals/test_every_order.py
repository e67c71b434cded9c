"""Every order in which the messages of a visit can arrive ends the same.

Seven messages have 5,040 orders. But where the rows after a set of messages are always the same, whichever came last,
what follows depends on that set alone: so it is enough to add each message to each set that lacks it, 448 times, and to
look whether the rows are those of the larger set.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from interconnect.handlers.dispatch import interpret
from interconnect.hl7 import er7
from tests.builders import adt, oru
from vitals.codes import NO_LOCAL_CODES
from vitals.ingest import Arrival, apply
from vitals.models import Movement, Observation, Stay, SupersededObservation

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("ORDER_EXAMPLES", "4"))  # for a night: ORDER_EXAMPLES=2000
LONGEST = 7
BEDS = ("421", "422", "423")
# What can come next for a patient who is in no bed, in one, and discharged; a copy or a cancel can come at any time.
AT_ANY_TIME = ("copy", "A11", "A12", "A13", "A08", "ORU", "ORU")
NEXT = {
    "out": ("A01", "A01", "A04", "A05", "ORU"),
    "in": ("A02", "A02", "A02", "A03", "A03", "A06", "A10", "A15", "A21", "A12", "A11", "A23"),
    "gone": ("A13", "A13", "A01"),
}
BECOMES = {"A01": "in", "A04": "in", "A02": "in", "A13": "in", "A03": "gone", "A11": "out", "A23": "out"}


@st.composite
def courses(draw: st.DrawFn) -> list[bytes]:
    """What is sent about one visit, in the order in which it happened; now and then twice in the same minute."""
    messages: list[bytes] = []
    where, minute, bed = "out", 0, BEDS[0]
    for _ in range(draw(st.integers(2, LONGEST))):
        minute += draw(st.sampled_from((0, 1, 1, 2)))
        kind = draw(st.sampled_from((*NEXT[where], *NEXT[where], *AT_ANY_TIME)))
        prior, bed = bed, draw(st.sampled_from(BEDS)) if kind in ("A01", "A02", "A06", "A10", "A12", "A13") else bed
        where = BECOMES.get(kind, where)
        if kind == "copy" and messages:
            messages.append(draw(st.sampled_from(messages)))
        elif kind == "ORU":
            measured_at = draw(st.integers(0, minute))
            messages.append(
                oru(minutes=measured_at, stated=minute, hr=60 + minute, status=draw(st.sampled_from("FPCWR")))
            )
        elif kind != "copy":
            message = adt(kind, bed=bed, minutes=minute)
            messages.append(message.replace(b"^EPICOPS||||", f"^EPICOPS|||MED^{prior}^{prior}^EPICOPS|".encode()))
    return messages


def deliver(*messages: bytes) -> None:
    apply([Arrival(1, event) for raw in messages for event in interpret(er7.parse(raw), NO_LOCAL_CODES).events])


def rows() -> tuple[Any, ...]:
    """All that the next message could depend on, but for the numbers of rows and messages."""
    movements = Movement.objects.values_list("kind", "occurred_at", "recorded_at", "bed__key", "prior_bed__key")
    stays = Stay.objects.values_list("bed__key", "from_at", "to_at", "is_inferred", "is_disputed")
    vitals = Observation.everything.values_list("observed_at", "value", "status", "stated_at", "is_shown")
    superseded = SupersededObservation.objects.values_list("observed_at", "value", "status", "stated_at")
    return tuple(sorted(map(str, found)) for found in (movements, stays, vitals, superseded))


@contextmanager
def taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def explore(messages: Sequence[bytes], done: frozenset[int], known: dict[frozenset[int], tuple[Any, ...]]) -> None:
    """Add each message to those that are done; `known` has the rows of every set seen so far."""
    for number in set(range(len(messages))) - done:
        with taken_back():
            deliver(messages[number])
            found, after = rows(), done | {number}
            if messages[number] in [messages[other] for other in done]:
                assert found == known[done]  # a copy changes nothing
            if after in known:
                assert found == known[after]
            else:
                known[after] = found
                explore(messages, after, known)


@settings(
    max_examples=EXAMPLES,
    phases=[Phase.generate],  # shrinking a course of seven takes many minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(courses(), st.randoms(use_true_random=False))
def test_every_order_of_arrival_of_a_visit_ends_the_same(messages: list[bytes], random: Any) -> None:
    known: dict[frozenset[int], tuple[Any, ...]] = {frozenset(): rows()}
    explore(messages, frozenset(), known)

    with taken_back():
        deliver(*random.sample(messages, len(messages)))  # in one batch
        assert rows() == known[frozenset(range(len(messages)))]
