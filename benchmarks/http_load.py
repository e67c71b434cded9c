"""Requests to a gunicorn of our own: as many as go, or so many a second whatever the answers do."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from time import perf_counter, sleep
from typing import NamedTuple, TypeVar

import psutil  # type: ignore[import-untyped]  # it ships none

from epicops.embedded.programs import web
from epicops.embedded.stack import free_port

Result = TypeVar("Result")

START_SECONDS = 30


class Server(NamedTuple):
    """A web server of ours."""

    port: int
    pid: int

    def processor_seconds(self) -> float:
        """Return the processor time that its processes have taken."""
        main = psutil.Process(self.pid)
        times = [process.cpu_times() for process in (main, *main.children(recursive=True))]
        return float(sum(time.user + time.system for time in times))


@contextmanager
def served() -> Iterator[Server]:
    """Run the web server as production does."""
    port = free_port()
    environment = os.environ | {"EPICOPS_PLAIN_HTTP": "0", "EPICOPS_ALLOWED_HOSTS": "127.0.0.1"}
    with subprocess.Popen(web(port), env=environment, stdout=subprocess.DEVNULL) as server:
        try:
            deadline = perf_counter() + START_SECONDS
            while not _listens(port):
                if perf_counter() > deadline:
                    raise SystemExit("the web server does not start")
                sleep(0.1)
            yield Server(port, server.pid)
        finally:
            server.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Connection:
    """One keep-alive connection with a session's cookie."""

    def __init__(self, port: int, cookie: str) -> None:
        self._port = port
        self._socket = self._connect()
        self._head = f"Host: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nCookie: {cookie}\r\n"
        self._tags: dict[str, str] = {}

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port))

    def get(self, path: str) -> int:
        """Return the status of the answer; polls carry the ETag they hold. Workers that are replaced cost a retry."""
        try:
            return self._get(path)
        except ConnectionError:
            self._socket.close()
            self._socket = self._connect()
            return self._get(path)

    def _get(self, path: str) -> int:
        tag = f"If-None-Match: {self._tags[path]}\r\n" if path in self._tags else ""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\n{self._head}{tag}\r\n".encode())
        head, _, body = self._until_head()
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        left = int(fields.get(b"content-length", 0)) - len(body)
        while left > 0:
            left -= len(self._socket.recv(65_536))
        if b"etag" in fields:
            self._tags[path] = fields[b"etag"].decode()
        return int(head.split(b" ", 2)[1])

    def _until_head(self) -> tuple[bytes, bytes, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            more = self._socket.recv(65_536)
            if not more:
                raise ConnectionError("the server closed the connection")
            data += more
        return data.partition(b"\r\n\r\n")

    def close(self) -> None:
        self._socket.close()


def each_once(port: int, cookie: str, paths: Sequence[str], clients: int = 6) -> None:
    """Ask for each path over several connections, so that each of the server's processes has answered it."""

    def client(number: int) -> None:
        start = number * len(paths) // clients
        with closing(Connection(port, cookie)) as connection:
            for path in (*paths[start:], *paths[:start]):
                _expect(connection.get(path))

    _together(client, clients)


def as_many_as_go(port: int, cookie: str, paths: Sequence[str], seconds: float, clients: int = 8) -> float:
    """Return requests a second of clients that each ask again as soon as they are answered."""

    def client(number: int) -> int:
        done, until = 0, perf_counter() + seconds
        with closing(Connection(port, cookie)) as connection:
            while perf_counter() < until:
                _expect(connection.get(paths[(number + done * clients) % len(paths)]))
                done += 1
        return done

    return sum(_together(client, clients)) / seconds


def at_rate(
    port: int, cookie: str, paths: Sequence[str], rate: float, seconds: float, clients: int = 16
) -> list[float]:
    """Ask `rate` times a second; return the seconds from when each request was due to its answer, sorted."""
    start = perf_counter() + 0.2

    def client(number: int) -> list[float]:
        waits = []
        with closing(Connection(port, cookie)) as connection:
            for turn in range(number, int(rate * seconds), clients):
                due = start + turn / rate
                sleep(max(due - perf_counter(), 0))
                _expect(connection.get(paths[number % len(paths)]))
                waits.append(perf_counter() - due)
        return waits

    return sorted(wait for waits in _together(client, clients) for wait in waits)


def _expect(status: int) -> None:
    if status not in (200, 304):
        raise SystemExit(f"the server answers {status}")


def _together(work: Callable[[int], Result], clients: int) -> list[Result]:
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(work, range(clients)))
