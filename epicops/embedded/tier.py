"""The Redis tier of three hosts on the loopback addresses 127.0.0.1 to 127.0.0.3, as render_redis_config writes it.

For drills: TLS, users and Sentinels are the real ones. Needs a redis-server with TLS in the PATH.
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from epicops.embedded.redis_server import RedisServer, Together
from epicops.embedded.stack import free_port
from epicops.pki import Authority
from epicops.redis_client import sentinels
from epicops.redis_config import ROLES, URL_USERS, Site, files, new_passwords, urls

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
# Sentinel's own clocks, faster: a failover in a test takes two seconds instead of three and a half. Not faster still: a
# replica that was silent for five ping periods is not promoted, and who answers within down-after must have been asked.
FAST_DOWN_AFTER = 700  # milliseconds
FAST = ("PING-PERIOD", "200", "ASK-PERIOD", "100", "INFO-PERIOD", "300", "PUBLISH-PERIOD", "300")
READY_SECONDS = 60.0  # with Sentinel's own clocks a returned primary is one for ten seconds


class Node(RedisServer):
    """One redis-server of the tier, a Sentinel or not, on its rendered file."""

    def __init__(
        self, name: str, root: Path, config: Path, address: tuple[str, int], url: str, on: Sequence[str]
    ) -> None:
        super().__init__(name, root)
        self._on = on  # the command that starts another one on its host
        self.config = config
        self.address = address
        self.url = url

    def prepare(self) -> None:
        super().prepare()
        _folder_of(self.config).mkdir(parents=True, exist_ok=True)

    def command(self) -> list[str]:
        program = [*self._on, shutil.which("redis-server") or "redis-server", str(self.config)]
        return [*program, "--sentinel"] if self.config.name == "sentinel.conf" else program


class Tier(Together):
    """Three hosts with a server per role and a Sentinel each. Entered, replicas follow; left, all have stopped."""

    def __init__(
        self,
        root: Path,
        *,
        hosts: Sequence[str] = HOSTS,
        on: Callable[[str], Sequence[str]] = lambda _: (),
        is_fast: bool = False,
    ) -> None:
        """`on` returns the command that starts another one on a host: none where the addresses are this machine's."""
        self.root = root
        self._on = on
        self.is_fast = is_fast
        self.passwords = new_passwords({})
        self.site = Site(
            hosts=tuple(hosts),
            roles={role: {"port": free_port(), "maxmemory": "256mb"} for role in ROLES},
            directory=f"{root}/conf/{{host}}",
            data=f"{root}/data/{{host}}",
            tls=f"{root}/tls",
            sentinel_port=free_port(),
            down_after=FAST_DOWN_AFTER if is_fast else 2000,
        )
        admin = urls(self.site, "admin", self.passwords)
        self.servers = {
            (host, role): self._node(host, role, int(self.site.roles[role]["port"]), admin)
            for host in hosts
            for role in ROLES
        }
        self.watchers = {host: self._sentinel(host, admin) for host in hosts}

    def _node(self, host: str, role: str, port: int, admin: dict[str, str]) -> Node:
        config = self.root / "conf" / host / f"{role}.conf"
        url = admin[f"EPICOPS_REDIS_{role.upper()}_URL"]
        return Node(f"{host}-{role}", self.root, config, (host, port), url, self._on(host))

    def _sentinel(self, host: str, admin: dict[str, str]) -> Node:
        login = f"peer:{self.passwords['peer']}"
        url = admin["EPICOPS_REDIS_QUEUE_URL"].replace(f"admin:{self.passwords['admin']}", login)
        return Node(
            f"{host}-sentinel",
            self.root,
            self.root / "conf" / host / "sentinel.conf",
            (host, self.site.sentinel_port),
            url,
            self._on(host),
        )

    def _start(self) -> None:
        write_files(self.root, self.site, self.passwords)
        for server in self.servers.values():
            server.start()
        for host in self.watchers:
            self.watch(host)
        self.wait_until_whole()

    def watch(self, host: str) -> None:
        """Start a host's Sentinel, for the first time or again."""
        self.watchers[host].start()
        if self.is_fast:
            client: Any = self.watchers[host].client()
            client.execute_command("SENTINEL DEBUG", *FAST, "ELECTION-TIMEOUT", "1000")

    def stop(self) -> None:
        for server in (*self.watchers.values(), *self.servers.values()):
            server.kill()

    def primary(self, role: str) -> Node:
        """Return the server the Sentinels name."""
        manager: Any = sentinels(self.urls("admin")[f"EPICOPS_REDIS_{role.upper()}_URL"])
        host, _ = manager.discover_master(role)
        return self.servers[host, role]

    def urls(self, user: str) -> dict[str, str]:
        """Return the EPICOPS_REDIS_…_URL variables of a user."""
        return urls(self.site, user, self.passwords)

    def wait_until_whole(self) -> None:
        """Return once every primary has two replicas and all Sentinels know each other and them."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_whole():
            if time.monotonic() > deadline:
                raise TimeoutError("the tier is not whole")
            time.sleep(0.1)

    def _is_whole(self) -> bool:
        others = len(self.site.hosts) - 1
        try:
            known = [state for watcher in self.watchers.values() for state in self._watched(watcher)]
            following = [self.primary(role).client().info("replication")["connected_slaves"] for role in ROLES]
        except (RedisError, OSError):
            return False
        return {(state["num-slaves"], state["num-other-sentinels"]) for state in known} == {(others, others)} and set(
            following
        ) == {others}

    def _watched(self, watcher: Node) -> list[dict[str, Any]]:
        states: Any = watcher.client().sentinel_masters()
        return list(states.values())


def write_files(root: Path, site: Site, passwords: Mapping[str, str]) -> None:
    """Write a site's files to `root`/conf and certificates for it to `root`/tls."""
    authority = Authority(root / "tls")
    authority.create("epicops drill CA")
    for name in (*site.hosts, *URL_USERS):
        authority.issue(name, [name] if name in site.hosts else [])
    for name, text in files(site, passwords).items():
        path = root / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _folder_of(config: Path) -> Path:
    """Return the server's `dir`, which it does not make itself."""
    return Path(next(line.split()[1] for line in config.read_text().splitlines() if line.startswith("dir ")))
