"""Deaths are charged to messages, outages to nobody."""

import pytest
from django.db import OperationalError

from epicops import keys
from epicops.redis_client import queue_client
from interconnect.consumer.canary import DEADLY, Canary
from interconnect.consumer.delivery import Delivery
from interconnect.consumer.queue import SUSPICIOUS, Claim, uuid7

CLAIM = Claim(uuid7(), (b"a", b"b"), takeovers=2)
DELIVERIES = [Delivery(ordinal, raw) for ordinal, raw in enumerate(CLAIM.messages)]


def canary(worker: str) -> Canary:
    return Canary(queue_client(), keys.CANARY, str(CLAIM.id), worker)


def die_at(ordinal: int, worker: str) -> None:
    """Leave what a worker leaves that is killed at this message."""
    run = queue_client().info("server")["run_id"]
    canary(worker)
    queue_client().hset(keys.CANARY, "at", f"{ordinal}:{run}:{worker}")


def test_a_message_at_which_three_workers_died_is_not_tried_again() -> None:
    for number in range(DEADLY):
        die_at(1, f"worker {number}")

    verdict = canary("the next").verdict(DELIVERIES[1])
    assert verdict is not None
    assert verdict.error_class == "worker-crash"
    assert canary("the next").verdict(DELIVERIES[0]) is None


def test_deaths_at_different_messages_convict_none() -> None:
    for number in range(DEADLY - 1):
        die_at(0, f"worker {number}")
        die_at(1, f"other worker {number}")

    assert [canary("the next").verdict(delivery) for delivery in DELIVERIES] == [None, None]


def test_a_worker_that_loses_its_database_takes_its_note_away() -> None:
    def lose_it() -> None:
        for _ in canary("a worker").one_by_one(DELIVERIES):
            raise OperationalError

    with pytest.raises(OperationalError):
        lose_it()
    assert queue_client().hkeys(keys.CANARY) == [b"batch"]


def test_a_note_of_an_earlier_run_of_redis_counts_for_nothing() -> None:
    canary("a worker")
    for _ in range(DEADLY):
        queue_client().hset(keys.CANARY, "at", "1:another run:victim")
        canary("the next")

    assert canary("the next").verdict(DELIVERIES[1]) is None


def test_a_death_after_the_last_message_is_charged_to_none() -> None:
    list(canary("a worker").one_by_one(DELIVERIES))

    assert queue_client().hkeys(keys.CANARY) == [b"batch"]


def of_others(worker: str, *deliveries: Delivery) -> Canary | None:
    return Canary.for_others(queue_client(), keys.CANARY_REPLAYS, deliveries, worker)


def test_what_is_delivered_again_is_suspicious_after_two_attempts() -> None:
    tried = [of_others(f"worker {number}", Delivery(0, b"a", replay_of=7)) is not None for number in range(4)]

    assert tried == [False, False, True, True]


def test_a_replay_is_charged_with_its_deaths_whatever_is_delivered_beside_it() -> None:
    run, replay = queue_client().info("server")["run_id"], Delivery(0, b"a", replay_of=7)
    for number in range(SUSPICIOUS + DEADLY):
        of_others(f"worker {number}", replay)
        queue_client().hset(keys.CANARY_REPLAYS, "at", f"7:{run}:worker {number}")

    last = of_others("the next", Delivery(0, b"b", replay_of=3), Delivery(1, b"a", replay_of=7))
    assert last is not None
    assert last.verdict(Delivery(1, b"a", replay_of=7)) is not None
    assert last.verdict(Delivery(0, b"b", replay_of=3)) is None
