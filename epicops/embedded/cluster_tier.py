"""A clustered role of three hosts on loopback addresses, as render_redis_config writes it: TLS, users, 3 + 3 servers.

For drills; needs a redis-server with TLS and redis-cli in the PATH.
"""

import subprocess
from pathlib import Path
from typing import Final

from epicops.embedded.cluster import cluster_ports, is_whole, slots, until
from epicops.embedded.redis_server import Together
from epicops.embedded.server import StackError
from epicops.embedded.tier import HOSTS, Node, write_files
from epicops.redis_config import ROLES, Site, new_passwords, urls
from epicops.redis_slots import slot_of_key

SPAN: Final = 10  # ports between two roles


class ClusterTier(Together):
    """The servers of one role. Entered, they form a cluster; left, all have stopped."""

    def __init__(self, root: Path, role: str = "queue", *, node_timeout: int = 2000) -> None:
        (first,) = cluster_ports(1)
        self.root, self.role = root, role
        self.passwords = new_passwords({})
        self.site = Site(
            hosts=HOSTS,
            roles={
                name: {"port": first + SPAN * place, "maxmemory": "256mb", "cluster": True}
                for place, name in enumerate(ROLES)
            },
            directory=f"{root}/conf/{{host}}",
            data=f"{root}/data/{{host}}",
            tls=f"{root}/tls",
            down_after=node_timeout,
        )
        self.servers = [
            Node(f"{host}-{name}", root, root / "conf" / host / f"{name}.conf", (host, port), self.url("admin"), on=())
            for name, port in self.site.servers(role).items()
            for host in HOSTS
        ]

    def url(self, user: str) -> str:
        """Return the role's address for a user."""
        return urls(self.site, user, self.passwords)[f"EPICOPS_REDIS_{self.role.upper()}_URL"]

    def _start(self) -> None:
        write_files(self.root, self.site, self.passwords)
        for server in self.servers:
            server.launch()
        for server in self.servers:
            server.wait_until_ready()
        self._form()

    def stop(self) -> None:
        for server in self.servers:
            server.kill()

    def _form(self) -> None:
        nodes = " ".join(f"{host}:{port}" for host, port in (server.address for server in self.servers))
        script = f". {self.root}/conf/tier.sh; cluster create {nodes} --cluster-replicas 1 --cluster-yes"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        if done.returncode:
            raise StackError(done.stdout + done.stderr)
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        until(lambda: all(is_whole(server) for server in self.servers))

    def primary(self, key: str) -> Node:
        """Return the server that holds a key."""
        slot, running = slot_of_key(key), [server for server in self.servers if server.is_running]
        addresses = {server.address: server for server in self.servers}
        for first, last, (host, port, *_), *_ in slots(running[0]):
            if first <= slot <= last:
                return addresses[host.decode(), port]
        raise LookupError(key)
