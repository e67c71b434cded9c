"""The embedded servers: where they live, and that a killed run does not stop the next one."""

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from epicops.embedded import processes
from epicops.embedded.server import Server, StackError
from epicops.embedded.stack import SOCKET_PATH_MAX, Stack, kept_secret, make_private, socket_directory
from epicops.redis_client import Redis

START_AND_BE_KILLED = """
import os, signal, sys
from pathlib import Path
from epicops.embedded.stack import Stack
Stack(Path(sys.argv[1])).start()
os.kill(os.getpid(), signal.SIGKILL)
"""

LIST_DAEMONS = """
import sys
from pathlib import Path
from epicops.embedded.processes import daemons_under
print([process.pid for process in daemons_under(Path(sys.argv[1]))])
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of this module's own, in a private directory whose path has a space."""
    with Stack(tmp_path_factory.mktemp("check out") / "stack") as stack:
        yield stack


def database(stack: Stack) -> "psycopg.Connection[tuple[int]]":
    return psycopg.connect(stack.environment()["EPICOPS_DATABASE_URL"], autocommit=True)


def role(stack: Stack, name: str) -> Redis:
    return Redis.from_url(stack.environment()[f"EPICOPS_REDIS_{name}_URL"])


def test_every_server_answers_at_its_address(own: Stack) -> None:
    with database(own) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert all(role(own, name).ping() for name in ("SESSIONS", "QUEUE", "CACHE"))


@pytest.mark.parametrize(
    ("name", "policy", "appendfsync"),
    [("SESSIONS", "noeviction", "everysec"), ("QUEUE", "noeviction", "always"), ("CACHE", "allkeys-lru", None)],
)
def test_each_role_keeps_what_it_promises(own: Stack, name: str, policy: str, appendfsync: str | None) -> None:
    settings = role(own, name).config_get()

    assert settings["maxmemory-policy"] == policy
    assert settings["save"] == ""
    assert settings["appendonly"] == ("yes" if appendfsync else "no")
    assert appendfsync in (None, settings["appendfsync"])


def test_no_server_takes_a_port(own: Stack) -> None:
    servers = processes.daemons_under(own.root)

    assert len(servers) >= 4
    assert not [taken for server in servers for taken in server.net_connections("inet")]


def test_only_the_owner_can_enter_its_directories(own: Stack) -> None:
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (own.root, own.run, own.postgres.data, own.queue.data)}

    assert modes == {0o700}


def test_a_queue_killed_in_flight_comes_back_with_its_messages(own: Stack) -> None:
    role(own, "QUEUE").lpush("interconnect:queue", "m1")

    own.queue.kill()
    own.queue.start()

    assert role(own, "QUEUE").lrange("interconnect:queue", 0, -1) == [b"m1"]


def test_a_killed_postgresql_takes_its_backends_with_it_and_recovers(own: Stack) -> None:
    with database(own) as connection:
        connection.execute("CREATE TABLE kept (value int)")
        own.postgres.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    own.postgres.start()

    with database(own) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_second_stack_in_a_directory_in_use_is_refused(own: Stack) -> None:
    # A process of its own: record locks do not guard against one's own process.
    code = f"from pathlib import Path; from epicops.embedded.stack import Stack; Stack(Path({str(own.root)!r})).start()"

    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "in use by another running stack" in second.stderr
    assert own.queue.is_ready()


def test_a_killed_run_does_not_stop_the_next_one(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", START_AND_BE_KILLED, tmp_path], check=False)
    orphans = processes.daemons_under(tmp_path)

    with Stack(tmp_path) as stack:
        answering = [server.is_ready() for server in stack.servers]

    assert killed.returncode == -signal.SIGKILL
    assert len(orphans) >= 4
    assert all(answering)
    assert all(processes.has_ended(orphan) for orphan in orphans)
    assert not processes.daemons_under(tmp_path)


def test_files_left_by_a_crash_do_not_stop_the_next_start(own: Stack, tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        pass
    # The process ids in them are in use again, by PostgreSQL's own user.
    living = f"{processes.daemons_under(own.postgres.data)[0].pid}\n"
    (stack.postgres.data / "postmaster.pid").write_text(living)
    for left in (".s.PGSQL.5432", ".s.PGSQL.5432.lock", "queue.sock"):
        (stack.run / left).write_text(living)

    with Stack(tmp_path) as again:
        assert all(server.is_ready() for server in again.servers)


def test_a_server_that_cannot_start_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    class Broken(Server):
        def command(self) -> list[str]:
            return ["sh", "-c", "echo no space left; exit 1"]

        def is_ready(self) -> bool:
            return False

    with pytest.raises(StackError, match=r"broken did not start(.|\n)*no space left"):
        Broken("broken", tmp_path).start()


def test_a_path_too_long_for_sockets_gets_them_elsewhere(tmp_path: Path) -> None:
    root = tmp_path / ("x" * SOCKET_PATH_MAX)

    with Stack(root) as stack:
        assert not stack.run.is_relative_to(root)
        assert all(server.is_ready() for server in stack.servers)
    assert not stack.run.exists()


def test_a_short_path_keeps_its_sockets_inside() -> None:
    assert socket_directory(Path("/srv/check out")) == Path("/srv/check out/run")


def test_a_socket_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)

    with pytest.raises(StackError, match="not ours"):
        make_private(link)


def test_the_secret_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"

    first, second = kept_secret(path), kept_secret(path)

    assert len(first) > 50
    assert first == second
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_shell_in_the_directory_is_nobodys_orphan(tmp_path: Path) -> None:
    # script(1) gives its command a terminal, as a person's shell has one.
    command = ["script", "-qec", "echo $$; exec sleep 30", "/dev/null"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as terminal:
        assert terminal.stdout is not None
        shell = int(terminal.stdout.readline())
        found = subprocess.run(
            [sys.executable, "-c", LIST_DAEMONS, tmp_path], capture_output=True, text=True, check=True
        )
        processes.end(processes.tree(terminal.pid), signal.SIGKILL)

    assert shell not in json.loads(found.stdout)
