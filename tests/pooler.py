"""A connection pooler in transaction mode, as small as can be: the server is shared between transactions.

It speaks enough of PostgreSQL's protocol 3.0 to know where a transaction ends, and needs trust authentication.
"""

import socket
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from epicops.embedded.postgres import SOCKET_NAME

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
READY, IDLE, TERMINATE = b"Z", b"I", b"X"


class TransactionPooler:
    """Listens on a TCP port of 127.0.0.1; `address` is its host and port."""

    def __init__(self, postgres: Path) -> None:
        self._postgres = str(postgres / SOCKET_NAME)
        self._idle: list[tuple[socket.socket, bytes]] = []  # servers, each with its greeting; the last used first
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def address(self) -> tuple[str, str]:
        host, port = self._listener.getsockname()
        return host, str(port)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for used in (self._listener, *self._open):
            used.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            startup = self._startup(client)
            server, greeting = self._idle.pop() if self._idle else self._connect(startup)
            client.sendall(greeting)
            self._idle.append((server, greeting))
            while True:
                message = _message(client)
                if message[:1] == TERMINATE:
                    return
                server, greeting = self._idle.pop() if self._idle else self._connect(startup)
                self._transaction(client, server, message)
                self._idle.append((server, greeting))
        except OSError:
            return

    def _transaction(self, client: socket.socket, server: socket.socket, message: bytes) -> None:
        server.sendall(message)
        while True:
            if message[:1] in (b"Q", b"S"):  # Query, Sync: answers follow, up to ReadyForQuery
                answer = _message(server)
                client.sendall(answer)
                while answer[:1] != READY:
                    answer = _message(server)
                    client.sendall(answer)
                if answer[5:] == IDLE:
                    return
            message = _message(client)
            server.sendall(message)

    def _startup(self, client: socket.socket) -> bytes:
        while True:
            head = _exactly(client, 8)
            length, code = struct.unpack("!II", head)
            rest = _exactly(client, length - 8)
            if code not in (SSL_REQUEST, GSS_REQUEST):
                return head + rest
            client.sendall(b"N")

    def _connect(self, startup: bytes) -> tuple[socket.socket, bytes]:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._postgres)
        self._open.append(server)
        server.sendall(startup)
        greeting = answer = _message(server)
        while answer[:1] != READY:
            answer = _message(server)
            greeting += answer
        return server, greeting


def _message(connection: socket.socket) -> bytes:
    head = _exactly(connection, 5)
    return head + _exactly(connection, struct.unpack("!I", head[1:])[0] - 4)


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = connection.recv(size - len(received))
        if not chunk:
            raise ConnectionResetError
        received += chunk
    return received
