"""A listener process, raw sockets to it, and what it put on the queue."""

import socket
from collections.abc import Callable

from epicops import keys
from epicops.redis_client import queue_client
from interconnect.mllp import READ_SIZE, Frame, Framer
from tests.processes import ManageProcess


class Listener:
    """A listener process on a port of its own, and connections to it."""

    def __init__(self, manage: Callable[..., ManageProcess], *arguments: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.process = manage("listen_mllp", "--port", str(self.port), *arguments)
        self.process.wait_for('"listening"')
        self._senders: list[Sender] = []

    def connect(self) -> "Sender":
        self._senders.append(Sender(self.port))
        return self._senders[-1]

    def hang_up(self) -> None:
        for sender in self._senders:
            sender.socket.close()


class Sender:
    """A raw socket, and the acknowledgments that came back on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._framer = Framer()

    def exchange(self, stream: bytes, answers: int = 1) -> list[tuple[str, str]]:
        """Send some bytes; return MSA-1 and MSA-2 of so many answers."""
        self.socket.sendall(stream)
        found: list[tuple[str, str]] = []
        while len(found) < answers and (data := self.socket.recv(READ_SIZE)):
            found += [msa(event.payload) for event in self._framer.feed(data) if isinstance(event, Frame)]
        return found

    def hear(self) -> list[bytes]:
        """Return every answer until the other end closes the connection."""
        answers: list[bytes] = []
        while data := self.socket.recv(READ_SIZE):
            answers += [event.payload for event in self._framer.feed(data) if isinstance(event, Frame)]
        return answers

    def is_closed(self) -> bool:
        return self.socket.recv(1) == b""


def msa(ack: bytes) -> tuple[str, str]:
    segment = next(line for line in ack.decode("latin-1").split("\r") if line.startswith("MSA"))
    return segment.split("|")[1], segment.split("|")[2]


def message(number: int, more: str = "") -> bytes:
    return f"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|{number:05}|P|2.5.1{more}\rPID|1||000{number}\r".encode()


def queued() -> list[bytes]:
    """Messages on the list, in the order in which the worker takes them."""
    return queue_client().lrange(keys.QUEUE, 0, -1)[::-1]  # type: ignore[return-value]  # bytes: nothing decodes


Listen = Callable[..., Listener]
