"""A planned change of primary that loses nothing.

A bare SENTINEL FAILOVER leaves the old primary taking writes for some ten seconds, and all of them are lost: two thirds
of 87,000 in a trial. Redis' own FAILOVER under Sentinel is an outage of half a minute.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from redis.exceptions import RedisError

from epicops.redis_client import Redis, node, sentinels
from epicops.redis_url import Topology, parse

PAUSE_MS: Final = 20_000  # the old primary takes no writes for so long at most; longer than all of the below
DEADLINE: Final = 8.0  # seconds for each of: replicas level, new primary
LOOK: Final = 0.05  # seconds

Node = tuple[str, int]


class SwitchoverError(Exception):
    """The switchover was not done; the text says how far it came."""


def switchover(url: str) -> tuple[Node, Node]:
    """Make a replica the primary of a Sentinel URL; return the old and the new one.

    The URL's user must be admin, at the Sentinels peer. Writers wait or reconnect meanwhile. Raises
    SwitchoverError, or RedisError when a server does not answer.
    """
    address = parse(url)
    if address.topology is not Topology.SENTINEL:
        raise SwitchoverError("this role is not behind Sentinels; of a Cluster see docs/runbooks/redis-cluster.md")
    service = address.service
    manager: Any = sentinels(url)
    before: Node = manager.discover_master(service)
    old: Any = node(url, *before)
    old.client_pause(PAUSE_MS, all=False)  # writes only
    try:
        _wait(lambda: _is_level(old), "no replica caught up; nothing was changed")
        leader = _leader(manager)
        leader.sentinel_failover(service)
        _wait(lambda: _promoted(leader, service) != before, "the Sentinels did not fail over; look at their logs")
        after = _promoted(leader, service)
        _wait(lambda: node(url, *after).role()[0] in (b"master", "master"), "the new primary is not one yet")
        old.replicaof(*after)  # at once: Sentinel would take ten seconds to tell it
        old.client_kill_filter(_type="normal", skipme=True)  # so that clients ask for the new primary
    finally:
        with suppress(RedisError):  # what has gone wrong before is what people are told; the pause ends by itself
            old.client_unpause()
    # Until then clients that ask are sent to the old one now and then.
    _wait(lambda: {_named(each, service) for each in _awake(manager)} == {after}, "done, but the Sentinels disagree")
    return before, after


def _leader(manager: Any) -> Any:
    """Return a Sentinel to command; raise SwitchoverError where none is awake."""
    for sentinel in _awake(manager):
        return sentinel
    raise SwitchoverError("no Sentinel is awake; nothing was changed")


def _awake(manager: Any) -> Iterator[Any]:
    """Yield the Sentinels that answer and act: one whose clock has jumped sits still for 30 s (TILT)."""
    for sentinel in manager.sentinels:
        with suppress(RedisError):
            if not sentinel.info("sentinel")["sentinel_tilt"]:
                yield sentinel


def _named(sentinel: Any, service: str) -> Node:
    """Return the primary that clients are told of."""
    state = sentinel.sentinel_master(service)
    return state["ip"], state["port"]


def _promoted(sentinel: Any, service: str) -> Node:
    """Return the primary, also while the Sentinel still leads the other replicas there."""
    host, port = sentinel.sentinel_get_master_addr_by_name(service, return_responses=True)
    return host.decode(), int(port)


def _is_level(primary: Redis) -> bool:
    state: dict[str, Any] = primary.info("replication")
    replicas = [value for name, value in state.items() if name.startswith("slave") and isinstance(value, dict)]
    return any(replica["offset"] == state["master_repl_offset"] for replica in replicas)


def _wait(is_done: Any, failure: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not _holds(is_done):
        if time.monotonic() > deadline:
            raise SwitchoverError(failure)
        time.sleep(LOOK)


def _holds(is_done: Any) -> bool:
    try:
        return bool(is_done())
    except RedisError:  # in the middle of a failover a Sentinel or server may have no answer
        return False
