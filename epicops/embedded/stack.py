"""Three Valkey servers and PostgreSQL in one directory, on Unix sockets only."""

import fcntl
import hashlib
import os
import secrets
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from epicops.embedded import processes
from epicops.embedded.postgres import SOCKET_NAME, Postgres
from epicops.embedded.server import Server, StackError
from epicops.embedded.valkey import Valkey
from epicops.private_file import write_private

SOCKET_PATH_MAX = 107  # bytes; sun_path of unix(7) without its NUL


class Stack:
    """The servers beside one epicops. Entered, all of them answer; left, all of them have stopped.

    Its directory holds data/, log/, run/ (sockets) and the secret key. One stack at a time uses a directory; what a
    killed run left there is ended and cleared first. Each server can be stopped, killed and started on its own:
    `sessions`, `queue`, `cache`, `postgres`. `durable=False` leaves out PostgreSQL's fsync: it survives a killed
    process, not a power cut.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self.root = root.resolve()
        self.run = socket_directory(self.root)
        self.sessions = Valkey("sessions", self.root, self.run)
        self.queue = Valkey("queue", self.root, self.run)
        self.cache = Valkey("cache", self.root, self.run)
        self.postgres = Postgres(self.root, self.run, durable=durable)
        # PostgreSQL last: the others start while it makes its data directory.
        self.servers: tuple[Server, ...] = (self.sessions, self.queue, self.cache, self.postgres)
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start every server; raise StackError, with all of them stopped, when one cannot."""
        make_private(self.root)
        self._lock = lock(self.root / "lock")
        try:
            processes.end(processes.daemons_under(self.root))
            make_private(self.run)
            for server in self.servers:
                server.launch()
            for server in self.servers:
                server.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for server in reversed(self.servers):
            server.stop()
        if not self.run.is_relative_to(self.root) and self.run.exists() and not any(self.run.iterdir()):
            self.run.rmdir()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def environment(self) -> dict[str, str]:
        """Return the EPICOPS_ variables that point Django at this stack."""
        return {
            "EPICOPS_DATABASE_URL": self.postgres.url,
            "EPICOPS_REDIS_SESSIONS_URL": self.sessions.url,
            "EPICOPS_REDIS_QUEUE_URL": self.queue.url,
            "EPICOPS_REDIS_CACHE_URL": self.cache.url,
            "EPICOPS_SECRET_KEY": kept_secret(self.root / "secret_key"),
            "EPICOPS_ALLOWED_HOSTS": "127.0.0.1,localhost",
        }


def lock(path: Path) -> IO[str]:
    """Hold `path` until the file is closed or this process ends; raise StackError when another one holds it."""
    file = path.open("w")
    try:
        # A record lock, because children do not inherit it: the orphans of a killed run hold nothing.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise StackError(f"{path.parent} is in use by another running stack") from None
    return file


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def socket_directory(root: Path) -> Path:
    """Return `<root>/run`, or a directory of ours under the temporary one when that is too long for a socket."""
    inside = root / "run"
    if len(os.fsencode(inside / SOCKET_NAME)) <= SOCKET_PATH_MAX:
        return inside
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"epicops-{os.geteuid()}-{name}"


def make_private(directory: Path) -> None:
    """Make `directory` one that only we can enter; raise StackError when it is somebody else's."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StackError(f"{directory} cannot be made: {error.strerror}") from error
    if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
        raise StackError(f"{directory} is not ours: remove it or choose another place")
    directory.chmod(0o700)


def kept_secret(path: Path) -> str:
    """Return the random secret in `path`, made at the first call and readable by its owner only."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(48))
    return path.read_text()
