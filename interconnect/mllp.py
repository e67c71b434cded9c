"""MLLP (HL7 v2.5.1 appendix C.4): frames cut from a byte stream, and a server that answers them in order."""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum

logger = logging.getLogger(__name__)

MAX_FRAME = 10 * 1024 * 1024  # bytes
HEAD = 1024  # bytes kept of what is refused: enough for its MSH
READ_SIZE = 64 * 1024

VT, FS, CR = b"\x0b", b"\x1c", b"\r"
MARK = re.compile(rb"[\x0b\x1c]")


class Fault(Enum):
    """Why bytes from a sender did not become a frame."""

    JUNK = "bytes outside a frame"
    RESTARTED = "a frame began inside a frame"
    OVERSIZE = "frame too large"
    UNFINISHED = "connection ended inside a frame"


@dataclass(frozen=True, slots=True)
class Frame:
    """What a sender put between VT and FS, byte for byte."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Incident:
    """Bytes that are no frame: how many, and the first HEAD of them."""

    fault: Fault
    size: int
    head: bytes


Event = Frame | Incident
# Gets the events of one read and the peer; returns the payloads to answer with, in order.
Answer = Callable[[Sequence[Event], str], Awaitable[list[bytes]]]


def wrap(payload: bytes) -> bytes:
    """Return the payload as an MLLP frame."""
    return VT + payload + FS + CR


class Framer:
    """Cuts a stream into frames. However the stream is split or joined, the events are the same.

    FS ends a frame even without its CR, and VT begins one even inside another: two messages are never glued
    together. CR and LF between frames are common padding and no incident.
    """

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self.is_open = False
        self._max_frame = max_frame
        self._kept = bytearray()
        self._size = 0  # also counts bytes no longer kept

    def feed(self, data: bytes) -> list[Event]:
        """Return what these bytes completed, in the order received."""
        events: list[Event] = []
        position = 0
        for mark in MARK.finditer(data):
            self._take(data[position : mark.start()])
            position = mark.end()
            events += self._begin() if mark[0] == VT else self._end()
        self._take(data[position:])
        return events

    def close(self) -> list[Event]:
        """Return what the end of the stream left behind."""
        fault = Fault.UNFINISHED if self.is_open else Fault.JUNK
        self.is_open = False
        return self._incident(fault)

    def _take(self, data: bytes) -> None:
        if not self.is_open:
            data = data.translate(None, b"\r\n")
        self._size += len(data)
        if self._size <= (self._max_frame if self.is_open else HEAD):
            self._kept += data
        else:
            self._kept = (self._kept[:HEAD] + data[:HEAD])[:HEAD]

    def _begin(self) -> list[Event]:
        incidents = self._incident(Fault.RESTARTED if self.is_open else Fault.JUNK)
        self.is_open = True
        return incidents

    def _end(self) -> list[Event]:
        if not self.is_open:
            self._take(FS)
            return []
        self.is_open = False
        if self._size > self._max_frame:
            return self._incident(Fault.OVERSIZE)
        frame = Frame(bytes(self._kept))
        self._reset()
        return [frame]

    def _incident(self, fault: Fault) -> list[Event]:
        if not self._size:
            return []
        incident = Incident(fault, self._size, bytes(self._kept[:HEAD]))
        self._reset()
        return [incident]

    def _reset(self) -> None:
        self._kept = bytearray()
        self._size = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one sender may take of the server; times in seconds."""

    max_frame: int = MAX_FRAME
    idle: float = 300.0  # without a frame begun, finished or answered
    grace: float = 5.0  # for an open frame once the server stops
    connections: int = 256


class Server:
    """Listens for MLLP connections; each one's frames are answered in their order, a read at a time."""

    def __init__(self, answer: Answer, limits: Limits | None = None) -> None:
        self._answer = answer
        self._limits = limits or Limits()
        self._connections: dict[_Connection, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Begin to accept connections; return the port, which the system chooses when 0 was asked for."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=READ_SIZE)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Accept no more, let open frames finish and be answered, then close every connection."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.stop()
        if tasks := set(self._connections.values()):
            _, late = await asyncio.wait(tasks, timeout=2 * self._limits.grace)
            for task in late:  # its sender takes no answers
                task.cancel()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port, *_ = writer.get_extra_info("peername") or ("?", 0)
        connection = _Connection(reader, writer, f"{host}:{port}", self._answer, self._limits)
        if len(self._connections) >= self._limits.connections:
            logger.warning("too many connections", extra={"peer": connection.peer})
            writer.close()
            return
        task = asyncio.create_task(connection.run())
        self._connections[connection] = task
        task.add_done_callback(lambda _: self._connections.pop(connection))


class _Connection:
    """One sender's connection, from accept to close."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str, answer: Answer, limits: Limits
    ) -> None:
        self.peer = peer
        self._reader = reader
        self._writer = writer
        self._answer = answer
        self._limits = limits
        self._framer = Framer(limits.max_frame)
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + limits.idle
        self._reading: asyncio.Timeout | None = None
        self._is_stopping = False

    def stop(self) -> None:
        """End once no frame is open, at the latest after the grace time."""
        self._is_stopping = True
        self._deadline = self._clock() + (self._limits.grace if self._framer.is_open else 0)
        if self._reading is not None:
            self._reading.reschedule(self._deadline)

    async def run(self) -> None:
        logger.info("sender connected", extra={"peer": self.peer})
        try:
            # A sender that takes no answers or resets the connection sees the same end: it resends.
            with contextlib.suppress(OSError, TimeoutError):
                await self._converse()
            await self._answer(self._framer.close(), self.peer)
        finally:
            self._writer.close()
            logger.info("sender disconnected", extra={"peer": self.peer})

    async def _converse(self) -> None:
        while (self._framer.is_open or not self._is_stopping) and (data := await self._read()):
            was_open = self._framer.is_open
            events = self._framer.feed(data)
            if events:
                answers = await self._answer(events, self.peer)
                self._writer.write(b"".join(map(wrap, answers)))
                async with asyncio.timeout(self._limits.idle):
                    await self._writer.drain()
            if (events or self._framer.is_open != was_open) and not self._is_stopping:
                self._deadline = self._clock() + self._limits.idle

    async def _read(self) -> bytes:
        """Return some bytes, or none at the end of the stream; raise TimeoutError at the deadline."""
        async with asyncio.timeout_at(self._deadline) as timeout:
            self._reading = timeout
            try:
                return await self._reader.read(READ_SIZE)
            finally:
                self._reading = None
