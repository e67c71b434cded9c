"""Where a role's Redis is, in one URL: a server, the primary that Sentinels know, or a Cluster.

    redis://  rediss://  unix://                       one server, as redis-py reads it
    rediss+sentinel://USER:PASSWORD@S1:26379,S2,S3/SERVICE?sentinel_username=…&sentinel_password=…
    rediss+cluster://USER:PASSWORD@N1:6379,N2,N3          some of its nodes; they name the others

`rediss` is TLS and needs `ssl_ca_certs=FILE`, with `ssl_certfile=FILE&ssl_keyfile=FILE` for our own certificate. With
`replicas=1` boards read replicas where there are any. Other parts of the query are redis-py's connection options.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from redis.connection import parse_url


class Topology(StrEnum):
    """How the servers of a role hang together."""

    SINGLE = ""
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


PORTS: Final = {Topology.SENTINEL: 26379, Topology.CLUSTER: 6379}
SWITCH: Final = {"0": False, "1": True}
SCHEMES: Final = ("redis", "rediss", "unix")
TLS_OPTIONS: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed URL. `options` are redis-py's for connections to Redis, `sentinel_options` for those to Sentinels."""

    topology: Topology
    is_tls: bool
    is_local: bool  # a Unix socket
    nodes: tuple[tuple[str, int], ...]  # Sentinels, or nodes of the Cluster
    service: str  # the name Sentinels know the primary by
    reads_replicas: bool  # where a read may be late
    options: dict[str, Any] = field(repr=False)  # passwords are in it
    sentinel_options: dict[str, Any] = field(repr=False)


def parse(url: str) -> Address:
    """Return the address a URL stands for; raise ValueError, which never quotes the URL, for a wrong one."""
    scheme, _, rest = url.partition("://")
    scheme, _, kind = scheme.partition("+")
    if scheme not in SCHEMES or kind not in tuple(Topology) or (kind and scheme == "unix"):
        raise ValueError("a Redis URL begins with redis, rediss, unix, or redis or rediss with +sentinel or +cluster")
    topology = Topology(kind)
    servers = re.split(r"[/?#]", rest, maxsplit=1)[0]  # not by urlsplit, which knows one server with one IPv6 address
    parts = urlsplit(rest.removeprefix(servers))
    nodes: tuple[tuple[str, int], ...] = ()
    if topology is Topology.SINGLE:
        options = _redis_py(url)
    else:
        login, _, hosts = servers.rpartition("@")
        nodes = tuple(_node(host, PORTS[topology]) for host in hosts.split(","))
        options = _redis_py(f"{scheme}://{login}@/?{parts.query}")
    service = parts.path.strip("/") if topology is Topology.SENTINEL else ""
    if topology is Topology.SENTINEL and not service:
        raise ValueError("a Sentinel URL ends with the name of the primary, such as /epicops")
    if topology is Topology.CLUSTER and (parts.path.strip("/") or "db" in options):
        raise ValueError("a Cluster URL names no database: a Cluster has only one")
    reads_replicas = SWITCH.get(options.pop("replicas", "0"))
    if reads_replicas is None or (reads_replicas and not topology):
        raise ValueError("replicas is 0 or 1 in a Redis URL, and 1 needs Sentinels or a Cluster")
    if scheme == "rediss" and "ssl_ca_certs" not in options:
        raise ValueError("rediss needs ssl_ca_certs, the file of the CA that signed the servers' certificates")
    sentinel_options = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    sentinel_options |= {name: options[name] for name in TLS_OPTIONS if name in options}
    return Address(
        topology, scheme == "rediss", scheme == "unix", nodes, service, reads_replicas, options, sentinel_options
    )


def _redis_py(url: str) -> dict[str, Any]:
    with _unquoted():
        options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    options.pop("connection_class", None)  # ours differ
    return options


def _node(text: str, default_port: int) -> tuple[str, int]:
    with _unquoted():
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    if not host:
        raise ValueError("a Redis URL with several servers names each as HOST or HOST:PORT")
    return host, port or default_port


@contextmanager
def _unquoted() -> Iterator[None]:
    """Say less than urllib, which takes what follows a colon for a port, and quotes it: perhaps half a password."""
    try:
        yield
    except ValueError:
        raise ValueError("a port or option cannot be read; in a password write / as %2F and # as %23") from None
