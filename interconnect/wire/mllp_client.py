"""An MLLP sender that keeps each message until it is answered."""

import logging
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from interconnect.wire.ack import header
from interconnect.wire.mllp import READ_SIZE, Frame, Framer, wrap

logger = logging.getLogger(__name__)

SOCKET_TIMEOUT = 2.0  # seconds for connecting and for one write
ANSWER_TIMEOUT = 30.0  # seconds without an answer before the connection counts as lost
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds before the next attempt


@dataclass(slots=True)
class Counts:
    """What became of the messages so far."""

    sent: int = 0  # given to the sender
    accepted: int = 0
    refused: int = 0
    resent: int = 0  # transmitted again: answered AE, or not at all on a lost connection


Settled = Callable[[bytes, bytes], None]  # gets each message and its final answer's MSA-1


class MLLPSender:
    """Delivers messages over one connection, up to `window` unanswered; what is not answered AA or AR is sent again.

    Messages keep their order, except that one answered AE comes after those of its window that were accepted.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        window: int = 50,
        settled: Settled | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.counts = Counts()
        self._settled = settled
        self._tls = tls
        self._address = (host, port)
        self._window = window
        self._waiting: deque[bytes] = deque()
        self._unanswered: deque[bytes] = deque()  # transmitted, oldest first
        self._failed: deque[bytes] = deque()  # answered AE
        self._socket: socket.socket | None = None
        self._framer = Framer()
        self._heard_at = 0.0  # monotonic, of the last answer or the oldest message without one
        self._resume_at = 0.0  # monotonic
        self._pause = FIRST_PAUSE
        self._random = Random()  # noqa: S311  jitter

    @property
    def pending(self) -> int:
        """Number of messages that have no final answer yet."""
        return len(self._waiting) + len(self._unanswered) + len(self._failed)

    def unsettled(self) -> list[bytes]:
        """Return the messages that have no final answer yet, in the order in which they would be sent."""
        return [*self._failed, *self._unanswered, *self._waiting]

    @property
    def has_room(self) -> bool:
        return self.pending < self._window

    def send(self, message: bytes) -> None:
        """Take a message; `pump` transmits it."""
        self.counts.sent += 1
        self._waiting.append(message)

    def pump(self, seconds: float) -> None:
        """Transmit what the window allows, then take answers; return at the first ones or after so many seconds."""
        if (delay := self._resume_at - time.monotonic()) > 0:
            time.sleep(min(delay, seconds))
            return
        try:
            connection = self._socket or self._connect()
            self._transmit(connection)
            # What TLS has decrypted already is no longer seen by select.
            has_pending = isinstance(connection, ssl.SSLSocket) and connection.pending()
            if has_pending or select.select([connection], [], [], seconds)[0]:
                self._receive(connection)
            elif self._unanswered and time.monotonic() - self._heard_at > ANSWER_TIMEOUT:
                raise TimeoutError
        except OSError as error:
            self._lose(error)

    def close(self) -> None:
        """Close the connection; unanswered messages stay pending."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        self._socket = socket.create_connection(self._address, SOCKET_TIMEOUT)
        if self._tls is not None:
            self._socket = self._tls.wrap_socket(self._socket, server_hostname=self._address[0])
        self._framer = Framer()
        logger.info("connected")
        return self._socket

    def _transmit(self, connection: socket.socket) -> None:
        if self._failed:  # first hear of the rest, so that those are resent together and in order
            return
        room = min(len(self._waiting), self._window - len(self._unanswered))
        batch = [self._waiting.popleft() for _ in range(room)]
        if batch and not self._unanswered:
            self._heard_at = time.monotonic()
        self._unanswered.extend(batch)
        connection.sendall(b"".join(map(wrap, batch)))

    def _receive(self, connection: socket.socket) -> None:
        data = connection.recv(READ_SIZE)
        if not data:
            raise ConnectionResetError
        self._heard_at = time.monotonic()
        for event in self._framer.feed(data):
            if isinstance(event, Frame):
                self._settle(event.payload)
        if self._failed and not self._unanswered:
            self._requeue()

    def _settle(self, answer: bytes) -> None:
        """Match an answer with the oldest unanswered message; raise ConnectionError if it belongs to another."""
        code, control_id = acknowledged(answer)
        if not self._unanswered or control_id != control_id_of(self._unanswered[0]):
            raise ConnectionAbortedError
        message = self._unanswered.popleft()
        if code in (b"AA", b"CA"):
            self.counts.accepted += 1
            self._pause = FIRST_PAUSE
        elif code in (b"AR", b"CR"):
            self.counts.refused += 1
        else:
            self._failed.append(message)
            return
        if self._settled is not None:
            self._settled(message, code)

    def _lose(self, error: OSError) -> None:
        if self._socket is not None:
            logger.warning(
                "connection lost", extra={"error": type(error).__name__, "unanswered": len(self._unanswered)}
            )
        self.close()
        self._requeue()

    def _requeue(self) -> None:
        """Put what failed and what was never answered before the rest, and wait a little longer than last time."""
        self.counts.resent += len(self._failed) + len(self._unanswered)
        self._waiting = deque(self.unsettled())
        self._failed.clear()
        self._unanswered.clear()
        self._resume_at = time.monotonic() + self._pause * self._random.uniform(0.5, 1)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)


def acknowledged(answer: bytes) -> tuple[bytes, bytes]:
    """Return MSA-1 and MSA-2 of an acknowledgment, both empty if it has none."""
    msa = next((line for line in answer.splitlines() if line.startswith(b"MSA")), b"")
    code, control_id = [*msa.split(msa[3:4] or b"|")[1:3], b"", b""][:2]
    return code, control_id


def control_id_of(message: bytes) -> bytes:
    """Return MSH-10, which MSA-2 of the answer must repeat; empty for what is not HL7."""
    msh = header(message)
    return msh.field(10) if msh else b""
