"""The circuit breaker by itself, with a clock of its own."""

import pytest
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisError

from epicops.breaker import OPEN_SECONDS, Breaker, CircuitOpen


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def fails(breaker: Breaker, error: Exception) -> None:
    with pytest.raises((RedisError, ConnectionInterrupted)), breaker.guard():
        raise error


def wrapped(cause: Exception) -> ConnectionInterrupted:
    error = ConnectionInterrupted(connection=None)
    error.__cause__ = cause
    return error


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    """One that has opened, and would let a call through again by now."""
    breaker = Breaker("cache", clock)
    fails(breaker, RedisConnectionError())
    clock.now += 2 * OPEN_SECONDS
    return breaker


def test_while_one_call_tries_others_do_not(breaker: Breaker) -> None:
    with breaker.guard(), pytest.raises(CircuitOpen), breaker.guard():
        raise AssertionError


@pytest.mark.parametrize("answer", [OutOfMemoryError(), wrapped(OutOfMemoryError())])
def test_a_server_that_answers_with_errors_is_back(breaker: Breaker, answer: Exception) -> None:
    fails(breaker, answer)

    assert not breaker.is_open


@pytest.mark.parametrize("failure", [RedisConnectionError(), wrapped(RedisConnectionError())])
def test_one_that_is_still_away_is_left_alone_for_another_second(breaker: Breaker, failure: Exception) -> None:
    fails(breaker, failure)

    assert breaker.is_open
