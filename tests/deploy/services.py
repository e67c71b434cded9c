"""The services of one host, as the runbooks name them, on the embedded servers: a `systemctl` and an /etc/epicops."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath

import psycopg

from epicops.embedded import processes
from epicops.embedded.postgres import DATABASE, binary, unprivileged
from epicops.embedded.programs import manage
from epicops.embedded.stack import Stack, make_private
from epicops.redis_client import connect
from epicops.redis_config import manage_shell
from tests.processes import PROJECT

SYSTEMCTL = """#!/bin/bash
# systemctl start|stop|is-active UNIT, systemctl kill -s SIGNAL UNIT
verb=$1; unit=${{!#}}; pidfile={root}/$unit.pid; pid=$(cat "$pidfile" 2>/dev/null)
alive() {{ grep -q '^State:[[:space:]][^Z]' "/proc/$pid/status" 2>/dev/null; }}
signal=TERM; [[ "$unit" != postgresql* ]] || signal=INT
case $verb in
start)
    alive && exit 0
    case $unit in
{units}
    esac ;;
stop) alive && kill -$signal "$pid"; while alive; do sleep 0.05; done ;;
kill) kill -s "$3" "$pid"; if [ "$3" = KILL ]; then while alive; do sleep 0.05; done; fi ;;
is-active) alive && echo active || {{ echo inactive; exit 3; }} ;;
esac
"""

ADD_OPERATOR = """
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
get_user_model().objects.create_user("operator").groups.set(Group.objects.filter(name="Interconnect supervisor"))
"""
UNUSED = "unused"  # the migrated database from which each runbook's is copied
WORKER = "epicops-worker@1"
STANDBY = "postgresql@standby"
UNITS = {"postgres": "postgresql", **{role: f"epicops-redis@{role}" for role in ("sessions", "queue", "cache")}}


class Services:
    """Units that can be started and killed: PostgreSQL, a Redis per role, a worker. `environment` is a shell's.

    Start them once, then `renew()` them for each runbook.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stack = Stack(root / "stack")
        self.etc = root / "etc"
        self.backups = root / "backups"
        self._settings = ""  # epicops.env as it was installed
        programs = root / "bin"
        for folder in (self.etc, programs):
            folder.mkdir()
        path = (programs, Path(binary("psql")).parent, Path(sys.executable).parent)
        self.environment = {
            "PATH": ":".join(map(str, (*path, os.environ["PATH"]))),
            "EPICOPS_HOME": str(PROJECT),
            # What `psql` takes where it is told nothing: as Debian's postgres, the server's owner at its socket.
            "PGHOST": str(self.stack.run),
            "PGUSER": DATABASE,
            "PGDATABASE": "postgres",
        }
        (programs / "systemctl").write_text(SYSTEMCTL.format(root=root, units="\n".join(self._units())))
        (programs / "systemctl").chmod(0o755)
        write_sudo(programs)

    def start(self) -> None:
        """Make the database and a copy of it that nobody uses."""
        stack = self.stack
        with stack:
            settings = stack.environment()
            subprocess.run(manage("migrate", "--verbosity", "0"), env=os.environ | settings, check=True)
            subprocess.run(manage("shell", "-c", ADD_OPERATOR), env=os.environ | settings, check=True)
            self._execute(f"ALTER DATABASE {DATABASE} RENAME TO {UNUSED}", f"CREATE DATABASE {DATABASE}")
        settings["EPICOPS_LOG_LEVEL"] = "ERROR"
        self._settings = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.etc / "admin.env").touch()
        (self.etc / "tier.sh").write_text(self._redis() + manage_shell(PurePosixPath(self.etc)))

    def renew(self) -> None:
        """Start all units but the worker: with an empty hospital, empty Redis servers and no backup."""
        self._systemctl("kill", "-s", "KILL", WORKER)
        make_private(self.stack.run)
        for server in self.stack.servers:
            self._systemctl("start", UNITS[server.name])
        while not all(server.is_ready() for server in self.stack.servers):
            time.sleep(0.05)
        self._execute(f"DROP DATABASE {DATABASE} WITH (FORCE)", f"CREATE DATABASE {DATABASE} TEMPLATE {UNUSED}")
        for server in (self.stack.sessions, self.stack.queue, self.stack.cache):
            connect(server.url).flushall()
        (self.etc / "epicops.env").write_text(self._settings)
        shutil.rmtree(self.backups, ignore_errors=True)
        self.backups.mkdir()

    def localized(self, text: str) -> str:
        """Return a text with a host's folders replaced by these services' own."""
        folders = {
            "/etc/epicops": self.etc,
            "/var/backups": self.backups,
            "/var/lib/epicops": self.stack.root / "data",
            "/var/lib/postgresql": self.stack.root / "data",
        }
        for usual, here in folders.items():
            text = text.replace(usual, str(here))
        return text

    def stop(self) -> None:
        for pidfile in self.root.glob("*.pid"):
            self._systemctl("kill", "-s", "KILL", pidfile.stem)
        processes.end(processes.daemons_under(self.stack.root))
        for folder in (self.stack.root / "data").glob("*/"):
            if folder.is_mount():  # a rehearsal that ended early
                subprocess.run(["umount", folder], check=False)

    def _execute(self, *statements: str) -> None:
        with psycopg.connect(self.stack.postgres.url, dbname="postgres", autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def _systemctl(self, *arguments: str) -> None:
        subprocess.run([self.root / "bin" / "systemctl", *arguments], check=False)

    def _units(self) -> list[str]:
        worker = ["env", f"$(cat {self.etc}/epicops.env)", *manage("consume_interconnect")]
        commands = {WORKER: (worker, PROJECT)}
        commands |= {UNITS[server.name]: (server.command(), server.data) for server in self.stack.servers}
        primary, standby = self.stack.postgres, self.stack.postgres.data.with_name("standby")
        command = [str(standby) if word == str(primary.data) else word for word in primary.command()]
        commands[STANDBY] = ([*command, "-c", "port=5433"], standby)
        return [
            f"    {unit}) cd {folder}; nohup {' '.join(map(_quoted, command))} >> {self.root}/{unit}.log 2>&1 &\n"
            f'        echo $! > "$pidfile" ;;'
            for unit, (command, folder) in commands.items()
        ]

    def _redis(self) -> str:
        return f'redis() {{ redis-cli -s {shlex.quote(str(self.stack.run))}/"$2".sock "${{@:3}}"; }}\n'


def write_sudo(folder: Path) -> None:
    """Write a `sudo` whose `-u postgres` is the user that the tests' PostgreSQL runs as."""
    program = folder / "sudo"
    program.write_text(f'#!/bin/bash\nexec {shlex.join(unprivileged())} "${{@:3}}"\n')
    program.chmod(0o755)


def _quoted(word: str) -> str:
    return word if word.startswith("$(") else shlex.quote(word)
