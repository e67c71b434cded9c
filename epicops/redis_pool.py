"""redis-py's pools of connections, less the metrics that nobody collects here: a seventh of a session's lookup."""

from typing import Any

import redis.sentinel
from redis.exceptions import ConnectionError as RedisConnectionError


class Pool(redis.ConnectionPool):
    """Goes the usual way there and back without a word to redis-py's metrics and event listeners.

    All else, such as a new connection or one to a server that is no primary any more, is redis-py's own business.
    """

    def get_connection(self, *args: Any, **options: Any) -> Any:
        self._checkpid()
        with self._lock:
            idle = self._available_connections
            if idle and _is_ready(idle[-1]):
                connection = idle.pop()
                self._in_use_connections.add(connection)
                return connection
        return super().get_connection(*args, **options)

    def release(self, connection: Any) -> None:
        self._checkpid()
        with self._lock:
            is_ours = connection in self._in_use_connections and self.owns_connection(connection)
            if is_ours and not connection.should_reconnect():
                self._in_use_connections.remove(connection)
                self._available_connections.append(connection)
                return
        super().release(connection)


class SentinelPool(Pool, redis.sentinel.SentinelConnectionPool):
    """The same of the server that Sentinels name."""


def _is_ready(connection: Any) -> bool:
    """Whether an idle connection is open, and no answer to somebody else is left in it."""
    try:
        return bool(connection.is_connected and not connection.can_read())
    except RedisConnectionError:
        return False
