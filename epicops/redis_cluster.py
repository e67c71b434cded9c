"""A client of a Redis Cluster that is an ordinary redis-py client to whoever uses it.

redis-py's own RedisCluster connects in its constructor, raises what is no RedisError, repeats pipelined writes whose
reply was lost, sleeps a quarter of a second where a page has a tenth, and knows no EVAL, MGET or INFO in a pipeline. Of
it the table of slots and nodes is used here; docs/decisions/0007.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from redis.client import Pipeline as RedisPipeline
from redis.client import Redis
from redis.cluster import ClusterNode, LoadBalancingStrategy, NodesManager
from redis.connection import ConnectionPool
from redis.exceptions import AskError, MovedError, RedisClusterException, RedisError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from epicops.redis_pool import Pool
from epicops.redis_slots import EVERYWHERE, Command, merged, parts_of, slot_of, slot_of_key

TRANSPORT: Final = (RedisConnectionError, RedisTimeoutError)
ELSEWHERE: Final = (AskError, TryAgainError)  # MovedError is an AskError: nothing was done, and here is where to go
ASKING: Final[Command] = (("ASKING",), {})
HOPS: Final = 5  # redirections of one command
STEP: Final = 0.02  # seconds until a slot that is on the move is asked again


class ClusterAway(RedisConnectionError):  # noqa: N818  named for the state
    """No node answers, or nobody serves the slot: a lost connection to the caller, whose fallback is the same."""


class Cluster(Redis):
    """Sends each command to the primary that has its key, or with `replicas` to a replica of it; connects at first use.

    Commands about several keys are asked key by key. Those without a key go to the shard of `home`, or of the first key
    in their pipeline; PING, DBSIZE, SCRIPT LOAD and FLUSHDB to every primary. `retries` are for lost connections.
    """

    def __init__(
        self,
        nodes: Sequence[tuple[str, int]],
        options: dict[str, Any],
        *,
        retries: int,
        home: str,
        replicas: bool = False,
    ) -> None:
        super().__init__(connection_pool=ConnectionPool(**options))  # for its encoder; it never connects
        self._nodes, self._retries, self._home = nodes, retries, slot_of_key(home)
        self._strategy = LoadBalancingStrategy.ROUND_ROBIN_REPLICAS if replicas else None
        self._options = options | {"connection_pool_class": Pool}
        if replicas:
            self._options["redis_connect_func"] = _read_only
        self._importing: dict[str, ClusterNode] = {}
        self._known: NodesManager | None = None
        self._lock = threading.Lock()

    @property
    def _table(self) -> NodesManager:
        with self._lock:
            if self._known is None:
                with _as_redis_error():
                    self._known = NodesManager([_node(*each) for each in self._nodes], from_url=True, **self._options)
            return self._known

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if merge := EVERYWHERE.get(args[0]):
            return merge([shard.execute_command(*args, **options) for shard in self.shards()])  # type: ignore[no-untyped-call]
        (reply,) = self.run([(args, options)])
        if isinstance(reply, Exception):
            raise reply
        return reply

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "Pipeline":  # noqa: FBT001, FBT002  redis-py's
        """Return a pipeline; a transaction is one per slot."""
        return Pipeline(self, transaction=transaction)

    def scan_iter(self, *args: Any, **options: Any) -> Iterator[Any]:
        """Yield the keys of every shard; one whose slot moves meanwhile may come twice or not at all."""
        for shard in self.shards():
            yield from shard.scan_iter(*args, **options)

    def shards(self) -> list[Redis]:
        """Return a client of each primary there is now; raise ClusterAway when no node knows."""
        table = self._table
        with _as_redis_error():
            table.initialize()
        return [self._client(node) for node in table.get_nodes_by_server_type("primary")]

    def forget_connections(self) -> None:
        """Close idle connections to every node: the next ones meet whatever is there then."""
        for node in list(self._known.nodes_cache.values()) if self._known else ():
            self._client(node).connection_pool.disconnect(inuse_connections=False)

    def close(self) -> None:
        for node in list(self._known.nodes_cache.values()) if self._known else ():
            self._client(node).connection_pool.disconnect()

    def run(self, commands: Sequence[Command], *, transaction: bool = False) -> list[Any]:
        """Return the reply to each command, or the ResponseError that is one; raise RedisError where one got none."""
        parts = [(place, part) for place, command in enumerate(commands) for part in parts_of(command)]
        for retries_left in range(self._retries, -1, -1):
            try:
                replies = self._run([part for _, part in parts], transaction=transaction)
                break
            except RedisConnectionError:
                if not retries_left:
                    raise
        grouped = defaultdict(list)
        for (place, _), reply in zip(parts, replies, strict=True):
            grouped[place].append(reply)
        return [merged(command[0][0], grouped[place]) for place, command in enumerate(commands)]

    def _run(self, commands: Sequence[Command], *, transaction: bool) -> list[Any]:
        slots = [slot_of(args) for args, _ in commands]
        home = next((slot for slot in slots if slot is not None), self._home)
        groups: dict[tuple[str, int | None], list[int]] = defaultdict(list)
        nodes: dict[str, ClusterNode] = {}
        for place, slot in enumerate(slots):
            node = self._node(home if slot is None else slot)
            nodes[node.name] = node
            groups[node.name, (home if slot is None else slot) if transaction else None].append(place)
        replies: dict[int, Any] = {}
        for (name, _), places in groups.items():
            sent = [commands[place] for place in places]
            answers = self._send(nodes[name], sent, transaction=transaction)
            replies |= zip(places, self._followed(sent, answers), strict=True)
        return [replies[place] for place in range(len(commands))]

    def _send(self, node: ClusterNode, commands: Sequence[Command], *, transaction: bool = False) -> list[Any]:
        pipe = self._client(node).pipeline(transaction=transaction)
        for args, options in commands:
            pipe.execute_command(*args, **options)  # type: ignore[no-untyped-call]
        try:
            return list(pipe.execute(raise_on_error=False))
        except MovedError as error:  # of a transaction, which then did nothing
            self._table.move_slot(error)
            raise ClusterAway from error
        except TRANSPORT:
            self._refresh(node)
            raise

    def _followed(self, commands: Sequence[Command], answers: Sequence[Any]) -> Iterator[Any]:
        """Yield the answers, after sending again elsewhere what has to go there."""
        is_moving = any(isinstance(answer, ELSEWHERE) for answer in answers)
        if is_moving and any(args[0] == "WAIT" for args, _ in commands):
            for moved in (answer for answer in answers if isinstance(answer, MovedError)):
                self._table.move_slot(moved)
            raise ClusterAway  # the write was not done, so what WAIT says is not about it
        for command, answer in zip(commands, answers, strict=True):
            yield self._follow(command, answer) if isinstance(answer, ELSEWHERE) else answer

    def _follow(self, command: Command, answer: Any) -> Any:
        for _ in range(HOPS):
            if isinstance(answer, MovedError):
                self._table.move_slot(answer)
            elif isinstance(answer, AskError):  # this key only: the slot is still the other node's
                _, answer = self._send(self._importer(answer.host, answer.port), [ASKING, command])
            else:
                time.sleep(STEP)
            if isinstance(answer, (MovedError, TryAgainError)):
                (answer,) = self._send(self._node(slot_of(command[0]) or 0), [command])
            if not isinstance(answer, ELSEWHERE):
                break
        return answer

    def _node(self, slot: int) -> ClusterNode:
        try:
            return self._table.get_node_from_slot(slot, load_balancing_strategy=self._strategy)
        except RedisClusterException as error:
            self._refresh()
            raise ClusterAway("nobody serves the slot") from error

    def _client(self, node: ClusterNode) -> Redis:
        if node.redis_connection is None:
            self._table.create_redis_connections([node])  # type: ignore[no-untyped-call]
        client: Redis = node.redis_connection
        return client

    def _importer(self, host: str, port: int) -> ClusterNode:
        known: ClusterNode | None = self._table.get_node(host, port)
        return known or self._importing.setdefault(f"{host}:{port}", _node(host, port))

    def _refresh(self, failed: ClusterNode | None = None) -> None:
        with suppress(RedisError, RedisClusterException):
            self._table.initialize(last_failed_node_name=failed.name if failed else None)


class Pipeline(RedisPipeline):
    """Commands that are sent together, to each shard its own; no WATCH."""

    def __init__(self, cluster: Cluster, *, transaction: bool) -> None:
        super().__init__(cluster.connection_pool, {}, transaction, None)
        self._cluster, self._is_transaction = cluster, transaction

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002  redis-py's
        commands = self.command_stack
        self.reset()
        replies = self._cluster.run(commands, transaction=self._is_transaction) if commands else []
        for reply in replies if raise_on_error else ():
            if isinstance(reply, Exception):
                raise reply
        return replies


@contextmanager
def _as_redis_error() -> Iterator[None]:
    try:
        yield
    except (RedisClusterException, IndexError) as error:  # IndexError: nobody has a slot yet
        raise ClusterAway("no node of the cluster answers") from error


def _read_only(connection: Any) -> None:
    connection.on_connect()
    connection.send_command("READONLY")
    connection.read_response()


def _node(host: str, port: int) -> ClusterNode:
    return ClusterNode(host, port, "primary")  # type: ignore[no-untyped-call]
