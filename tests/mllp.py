"""A listener process, raw sockets to it, and what it put on the queue."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import interconnect.wire.door
from epicops import keys
from epicops.breaker import Breaker
from epicops.redis_client import queue_client, queue_door_client
from interconnect.wire.byte_budget import BYTES, ByteBudget
from interconnect.wire.intake import Intake
from interconnect.wire.mllp import READ_SIZE, Frame, Framer
from interconnect.wire.mllp_server import Limits, Server
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


class Door:
    """A listener in a thread of the tests' process: no other process has to start."""

    def __init__(self, tls: ssl.SSLContext | None = None, budget: int = BYTES, **limits: Any) -> None:
        self._limits = Limits(**limits)
        self._tls = tls
        self._budget = ByteBudget(budget)
        self._started: Future[int] = Future()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        self.port = self._started.result(10)
        self._senders: list[Sender] = []

    def connect(self) -> "Sender":
        self._senders.append(Sender(self.port))
        return self._senders[-1]

    def stop(self) -> None:
        """Stop as SIGTERM does; harmless afterwards."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(20)
            self._loop.close()
        for sender in self._senders:
            sender.socket.close()

    async def _serve(self) -> None:
        door = interconnect.wire.door.Door(Intake(queue_door_client(), Breaker("queue")))
        server = Server(door, self._limits, self._tls, self._budget)
        self._started.set_result(await server.start("127.0.0.1", 0))
        await self._stop.wait()
        await server.stop()
        await door.close()


class Sender:
    """A raw socket, and the acknowledgments that came back on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
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
OpenDoor = Callable[..., Door]
