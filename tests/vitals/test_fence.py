"""No order of events lets an older document into the cache once a newer one has been written through."""

import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from epicops import keys
from vitals import fence
from vitals.documents import Loaded

BED = "bed427"


def document(version: int) -> Loaded:
    return Loaded(BED, version, {"hr": version, "at": {"hr": version}, "encounter": 1})


class Races(RuleBasedStateMachine):
    """Workers and readers that stall between their steps, and a server that forgets."""

    readers: Bundle[Any] = Bundle("readers")  # token, its answer, and the version loaded, None before
    workers: Bundle[int] = Bundle("workers")  # the version loaded by one that stalls while its successor works

    def __init__(self) -> None:
        super().__init__()
        fence.client().flushall()
        self.truth = 1
        self.written = 0
        self.stalled: list[int] = []

    @rule()
    def commit(self) -> None:
        self.truth += 1

    @rule()
    def commit_and_write_through(self) -> None:
        self.truth += 1
        fence.write([document(self.truth)])
        self.written = self.truth

    @rule(target=workers)
    def stall_before_writing(self) -> int:
        self.stalled.append(self.truth)
        return self.truth

    @rule(version=consumes(workers))
    def write_at_last(self, version: int) -> None:
        fence.write([document(version)])
        self.stalled.remove(version)

    @rule(target=readers)
    def miss(self) -> Any:
        token, answers = fence.take_leases({BED: b""})
        return token, answers[BED], None

    @rule(target=readers)
    def miss_and_load(self) -> Any:
        token, answers = fence.take_leases({BED: b""})
        return token, answers[BED], self.truth

    @rule(target=readers, reader=consumes(readers))
    def load(self, reader: Any) -> Any:
        return *reader[:2], reader[2] or self.truth

    @rule(reader=consumes(readers))
    def fill(self, reader: Any) -> None:
        token, answer, version = reader
        if answer == 1 and version:
            fence.write([document(version)], token)

    @rule()
    def value_expires(self) -> None:
        fence.client().delete(keys.vitals(BED))

    @rule()
    def lease_expires(self) -> None:
        if fence.client().exists(keys.vitals_meta(BED)):
            fence.client().hset(keys.vitals_meta(BED), "until", "0")

    @rule()
    def everything_is_evicted(self) -> None:
        fence.client().flushall()
        self.written = min([self.written, *self.stalled])  # what a stalled worker then writes lives at most a minute

    @invariant()
    def nothing_older_than_what_was_written_is_served(self) -> None:
        raw = fence.client().get(keys.vitals(BED))
        assert raw is None or self.written <= json.loads(raw)["hr"] <= self.truth


def test_no_order_of_events_serves_an_older_document() -> None:
    settings_ = settings(
        max_examples=80, stateful_step_count=20, suppress_health_check=list(HealthCheck), database=None
    )
    run_state_machine_as_test(Races, settings=settings_)


def test_meta_is_on_the_slot_of_its_value() -> None:
    assert keys.vitals_meta(BED) == "{" + keys.vitals(BED) + "}:meta"


def test_a_lease_that_was_lost_fills_nothing() -> None:
    token, _ = fence.take_leases({BED: b""})
    fence.client().delete(keys.vitals_meta(BED), keys.vitals(BED))

    fence.write([document(5)], token)

    assert fence.client().get(keys.vitals(BED)) is None


def test_a_version_from_before_a_restore_is_forgotten_however_often_the_bed_is_read() -> None:
    fence.write([document(10**9)])
    fence.client().delete(keys.vitals(BED))
    fence.client().pexpire(keys.vitals_meta(BED), 1000)

    token, _ = fence.take_leases({BED: b""})
    fence.write([document(5)], token)  # refused

    assert 0 < fence.client().pttl(keys.vitals_meta(BED)) <= 1000


def test_a_second_reader_waits_for_the_first() -> None:
    token, first = fence.take_leases({BED: b""})
    _, second = fence.take_leases({BED: b""})
    fence.write([document(5)], token)
    _, third = fence.take_leases({BED: b""})

    assert (first[BED], second[BED]) == (1, 0)
    assert json.loads(bytes(third[BED]))["hr"] == 5
