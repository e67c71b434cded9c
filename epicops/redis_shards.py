"""The servers behind a client, for the few who have to know: there are several in a Cluster, else one."""

from typing import Any

from epicops.redis_client import Redis
from epicops.redis_cluster import Cluster


def shards(client: Redis) -> list[Redis]:
    """Return a client of each primary; raise RedisError when nobody knows them."""
    return client.shards() if isinstance(client, Cluster) else [client]


def is_spread(client: Redis) -> bool:
    """Whether the client's keys are in several servers."""
    return type(client) is Cluster  # isinstance looks through redis-py's many protocols, for 7 µs


def has_replicas(client: Redis) -> bool:
    """Whether the shard of a Cluster client's `home` has a replica that might be promoted: any that has not failed."""
    nodes: list[dict[str, str]] = [*client.execute_command("CLUSTER NODES").values()]  # type: ignore[no-untyped-call]
    mine = next(each for each in nodes if "myself" in each["flags"])
    if "master" not in mine["flags"].split(","):
        return True  # it was the primary when we last looked
    return any(each["master_id"] == mine["node_id"] and "fail" not in each["flags"].split(",") for each in nodes)


def forget_connections(client: Redis) -> None:
    """Close idle connections, so that the next ones meet whatever server is there then."""
    if isinstance(client, Cluster):
        client.forget_connections()
    else:
        client.connection_pool.disconnect(inuse_connections=False)


def server_identity(connection: Any) -> str:
    """Return who a server is, over a connection that nobody else uses yet; another one may lack what this one had.

    That is the id it gave itself when it started and, in a Cluster, the epoch in which it was given its slots: who
    comes to be primary again has missed something. Empty for a Cluster's replica, whom nobody asks for anything.
    """
    info = _lines(connection, "INFO server replication cluster")
    if info["cluster_enabled"] == "0":
        return info["run_id"]
    return f"{info['run_id']}:{_lines(connection, 'CLUSTER INFO')['cluster_my_epoch']}" * (info["role"] == "master")


def _lines(connection: Any, command: str) -> dict[str, str]:
    connection.send_command(*command.split())
    reply = connection.read_response()
    text = reply.decode() if isinstance(reply, bytes) else str(reply)
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
