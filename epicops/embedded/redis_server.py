"""What servers of Redis that belong together have in common, whatever makes them one: Sentinels or a cluster."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from redis.exceptions import RedisError

from epicops.embedded.server import Server
from epicops.redis_client import Redis, node


class RedisServer(Server):
    """A Redis or Valkey at an address; `url` says how to speak to it."""

    address: tuple[str, int]
    url: str

    def client(self) -> Redis:
        """Return a client of this very server, whatever its role."""
        return node(self.url, *self.address)

    def is_ready(self) -> bool:
        try:
            return bool(self.client().ping())
        except (RedisError, OSError):
            return False


class Together(ABC):
    """Servers that run together. Entered, they are what they are to be; left, all have stopped."""

    @abstractmethod
    def _start(self) -> None:
        """Start them, and return once they have found each other."""

    @abstractmethod
    def stop(self) -> None: ...

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
