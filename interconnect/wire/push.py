"""Putting messages on the queue so that its server, and as many replicas as the deployment asks for, confirm them."""

from collections.abc import Sequence

from django.conf import settings
from redis.exceptions import ConnectionError as RedisConnectionError

from epicops import keys
from epicops.crypto import ring
from epicops.redis_client import Redis
from epicops.redis_shards import has_replicas
from epicops.redis_url import Topology, parse

REPLICA_WAIT = 500  # milliseconds; below the client's timeout


def sealed(messages: Sequence[bytes]) -> list[bytes]:
    """Return the messages as they lie on the queue and in the inbox: sealed where the settings have a key ring."""
    keys_at_hand = ring()
    return [keys_at_hand.seal(raw, "message") for raw in messages]


def push(queue: Redis, values: Sequence[bytes]) -> None:
    """Push messages as `sealed` returns them, oldest first; raise RedisError unless they are confirmed.

    That says not that they failed.
    """
    replicas = wanted_replicas(queue)
    pipeline = queue.pipeline(transaction=False)
    # One command for all: LPUSH a b c puts a, the oldest, nearest to the worker's end.
    pipeline.lpush(keys.QUEUE, *values)
    if replicas:
        pipeline.wait(replicas, REPLICA_WAIT)
    _, *confirmed = pipeline.execute()
    if confirmed and confirmed[0] < replicas:
        raise RedisConnectionError("too few replicas have it")


def wanted_replicas(queue: Redis) -> int:
    """Return how many replicas must confirm: while one may be promoted at least one, or a failover loses what it lacks.

    Sentinels may promote one that is only out of this server's sight. A Cluster's primary hears from most of the others
    that all its replicas have failed: then nobody can take its place, and its own disk has to do.
    """
    topology = parse(settings.EPICOPS_REDIS_QUEUE_URL).topology
    fails_over = topology is Topology.SENTINEL or (topology is Topology.CLUSTER and has_replicas(queue))
    return max(settings.EPICOPS_QUEUE_REPLICAS, int(fails_over))


def require_ready(queue: Redis) -> None:
    """Raise RedisError where a push would fail, as far as one look can tell: before it, not after."""
    connected = queue.info("replication")["connected_slaves"]
    if connected < wanted_replicas(queue):
        raise RedisConnectionError("too few replicas are connected")
