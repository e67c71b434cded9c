"""An MLLP server: each connection's frames are answered in their order, and no sender takes what belongs to others."""

import asyncio
import contextlib
import ipaddress
import logging
import ssl
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from interconnect.wire.byte_budget import ByteBudget
from interconnect.wire.mllp import HEAD, MAX_FRAME, READ_SIZE, Event, Fault, Frame, Framer, Incident, State, wrap

logger = logging.getLogger(__name__)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SLICE = 200  # frames of one read that are answered together
MAX_ASTRAY = 64 * 1024  # bytes outside a frame
LINGER = 1.0  # seconds that bytes are thrown away after the last answer
# How a TLS hello, gzip, HTTP and SSH begin. They never come to the point where a frame would.
FOREIGN = (b"\x16\x03", b"\x1f\x8b", b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"PRI ", b"SSH-")


@dataclass(frozen=True, slots=True)
class Limits:
    """What senders may take of the server; times in seconds."""

    max_frame: int = MAX_FRAME
    idle: float = 300.0  # without a frame
    frame: float = 60.0  # from a frame's begin to its end
    astray: float = 2.0  # after bytes outside a frame: the sender waits for an answer that framing cannot bring
    grace: float = 5.0  # for an open frame once the server stops
    connections: int = 1000
    per_peer: int = 100  # connections of one network address
    refused: int = 100  # frames refused in a row before the connection is closed
    allowed: tuple[Network, ...] = ()  # addresses that may connect; empty: all


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer to one frame; None: nothing."""

    payload: bytes | None
    is_refusal: bool = False


class Handler(Protocol):
    """Decides what is answered."""

    def connected(self, peer: str) -> None:
        """Note a new connection, before its first events."""

    def turned_away(self, peer: str, reason: str) -> None:
        """Note a connection that was closed at once."""

    async def answer(self, events: Sequence[Event], peer: str) -> list[Reply]:
        """Return the replies to these events of one connection, in their order."""


class Server:
    """Listens for MLLP connections until it is stopped."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        budget: ByteBudget | None = None,
    ) -> None:
        self._handler = handler
        self._limits = limits or Limits()
        self._tls = tls
        self._budget = budget or ByteBudget()
        self._connections: dict[_Connection, asyncio.Task[None]] = {}
        self._per_peer: Counter[str] = Counter()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Begin to accept connections; return the port, which the system chooses when 0 was asked for."""
        handshake = {"ssl_handshake_timeout": 10.0} if self._tls else {}
        self._server = await asyncio.start_server(
            self._connected, host, port, limit=READ_SIZE, backlog=1024, ssl=self._tls, **handshake
        )
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
            await asyncio.gather(*late, return_exceptions=True)
        await asyncio.sleep(0)  # transports end in the loop's next round

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("?",))[0])
        if reason := self._objection(peer):
            self._handler.turned_away(peer, reason)
            writer.close()
            return
        self._handler.connected(peer)
        connection = _Connection(reader, writer, peer, self._handler, self._limits, self._budget)
        task = asyncio.create_task(connection.run())
        self._connections[connection] = task
        self._per_peer[peer] += 1
        task.add_done_callback(lambda _: self._gone(connection))

    def _gone(self, connection: "_Connection") -> None:
        del self._connections[connection]
        self._per_peer[connection.peer] -= 1
        self._per_peer += Counter()  # drops the zeros

    def _objection(self, peer: str) -> str:
        if self._limits.allowed and not any(ipaddress.ip_address(peer) in net for net in self._limits.allowed):
            return "address not allowed"
        if len(self._connections) >= self._limits.connections:
            return "too many connections"
        return "too many connections of one peer" if self._per_peer[peer] >= self._limits.per_peer else ""


class _Connection:
    """One sender's connection, from accept to close."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        peer: str,
        handler: Handler,
        limits: Limits,
        budget: ByteBudget,
    ) -> None:
        self.peer = peer
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._limits = limits
        self._budget = budget
        self._held = 0  # of the budget
        self._patience = {State.BETWEEN: limits.idle, State.OPEN: limits.frame, State.ASTRAY: limits.astray}
        self._framer = Framer(limits.max_frame)
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + limits.idle
        self._reading: asyncio.Timeout | None = None
        self._refused = 0  # in a row
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
            with contextlib.suppress(OSError, TimeoutError):
                await self._answer(self._framer.close())
                await self._part()
        finally:
            self._hold(0)
            self._writer.close()
            try:
                async with asyncio.timeout(LINGER):
                    await self._writer.wait_closed()
            except (OSError, TimeoutError):  # it takes no answers
                self._writer.transport.abort()
            logger.info("sender disconnected", extra={"peer": self.peer})

    async def _converse(self) -> None:
        is_first = True
        while self._goes_on() and (data := await self._read()):
            if is_first and data.startswith(FOREIGN):
                await self._answer([Incident(Fault.FOREIGN, len(data), data[:HEAD])])
                return
            is_first = False
            before = self._framer.state
            if self._budget.is_spent:
                self._framer.drop()
            events = self._framer.feed(data)
            self._hold(self._framer.held + sum(len(event.payload) for event in events if isinstance(event, Frame)))
            await self._answer(events)
            self._hold(self._framer.held)
            if (events or self._framer.state is not before) and not self._is_stopping:
                self._deadline = self._clock() + self._patience[self._framer.state]

    def _hold(self, size: int) -> None:
        self._budget.change(size - self._held)
        self._held = size

    def _goes_on(self) -> bool:
        state = self._framer.state
        if self._refused >= self._limits.refused or (state is not State.OPEN and self._framer.size > MAX_ASTRAY):
            return False
        return state is State.OPEN or not self._is_stopping

    async def _answer(self, events: Sequence[Event]) -> None:
        for start in range(0, len(events), SLICE):
            replies = await self._handler.answer(events[start : start + SLICE], self.peer)
            self._writer.write(b"".join(wrap(reply.payload) for reply in replies if reply.payload is not None))
            async with asyncio.timeout(self._limits.idle):
                await self._writer.drain()
            for reply in replies:
                self._refused = self._refused + 1 if reply.is_refusal else 0
            if self._refused >= self._limits.refused:
                return

    async def _part(self) -> None:
        """Let the sender read the last answer: closing on bytes that nobody read would take it away again."""
        if self._is_stopping or self._reader.at_eof() or not self._writer.can_write_eof():
            return
        self._writer.write_eof()
        async with asyncio.timeout(LINGER):
            while await self._reader.read(READ_SIZE):
                pass

    async def _read(self) -> bytes:
        """Return some bytes, or none at the end of the stream; raise TimeoutError at the deadline."""
        async with asyncio.timeout_at(self._deadline) as timeout:
            self._reading = timeout
            try:
                return await self._reader.read(READ_SIZE)
            finally:
                self._reading = None
