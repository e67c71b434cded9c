"""Signs of life of workers and listeners, by the clock of the queue's server: no hosts need agree on the time."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from redis.exceptions import RedisError

from epicops import keys
from epicops.redis_client import Redis

EVERY: Final = 1.0  # seconds between two signs
LATE: Final = 4.0  # seconds of silence after which a program counts as down
KEPT: Final = 600  # seconds for which a program that went silent is still listed

# KEYS 1 alive  ARGV 1 program
BEAT: Final = "redis.call('HSET', KEYS[1], ARGV[1], redis.call('TIME')[1])"


@dataclass(frozen=True, slots=True)
class Program:
    """A worker or listener and the seconds since its last sign."""

    kind: str
    name: str
    age: float

    @property
    def is_up(self) -> bool:
        return self.age <= LATE


def beat(client: Redis, program: str) -> None:
    """Give a sign of life for `program`, "worker host:pid:random"; raises RedisError."""
    client.eval(BEAT, 1, keys.ALIVE, program)


@contextmanager
def leaves(client: Redis, program: str) -> Iterator[None]:
    """Take the program off the list when it ends in good order; one that is killed stays and goes late."""
    try:
        yield
    finally:
        with suppress(RedisError):  # it goes late instead
            client.hdel(keys.ALIVE, program)


def programs(client: Redis) -> list[Program]:
    """Return who gave a sign in the last ten minutes, the latest first; forgets the rest. Raises RedisError.

    The rest is older, or none of ours: no time, or one that lies ahead.
    """
    with client.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.hgetall(keys.ALIVE)
        (seconds, microseconds), signs = pipe.execute()
    now = seconds + microseconds / 1_000_000
    ages = {name: abs(now - int(at if at.isdigit() else 0)) for name, at in signs.items()}
    if gone := [name for name, age in ages.items() if age > KEPT]:
        client.hdel(keys.ALIVE, *gone)
    listed = sorted((age, name.decode(errors="replace")) for name, age in ages.items() if age <= KEPT)
    return [Program(name.partition(" ")[0], name.partition(" ")[2], age) for age, name in listed]
