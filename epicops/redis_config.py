"""The configuration files of the Redis tier, from one short description (deploy/epicops.toml).

The figures behind the values: docs/runbooks/sentinel-ha.md.
"""

import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from epicops import acl

Passwords = Mapping[str, str]

QUORUM: Final = 2
# Milliseconds. Twice as long after a failover that came to nothing (a split vote, a replica that was late) the next one
# is tried: with down-after still within the ten seconds that are promised.
FAILOVER_TIMEOUT: Final = 3000
URL_USERS: Final = ("web", "worker", "ingest", "monitor", "admin")
PERSISTENT: Final = {
    "maxmemory-policy": "noeviction",
    "appendonly": "yes",  # on every node: a primary restarted empty would empty its replicas
    "aof-use-rdb-preamble": "yes",
    "min-replicas-to-write": 1,  # an isolated primary stops taking writes
    "min-replicas-max-lag": 3,  # seconds
}
CLUSTERED: Final = {  # a node that is cut off from most others stops by itself; behind it there may be no other replica
    "cluster-enabled": "yes",
    "cluster-require-full-coverage": "no",  # a shard that is away leaves the others at work
    "cluster-preferred-endpoint-type": "hostname",  # certificates are checked by name
    "tls-cluster": "yes",
    "min-replicas-to-write": 0,
}
ROLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "sessions": {**PERSISTENT, "appendfsync": "everysec", "hash-max-listpack-value": 1024},  # a third less memory
    "queue": {**PERSISTENT, "appendfsync": "always", "no-appendfsync-on-rewrite": "no"},
    # A replica that has lost its primary says so instead of showing a ward old values.
    "cache": {"maxmemory-policy": "allkeys-lru", "appendonly": "no", "replica-serve-stale-data": "no"},
}


@dataclass(frozen=True, slots=True)
class Site:
    """The description; raises KeyError, TypeError or ValueError for a wrong one. Folders may contain {host}."""

    hosts: tuple[str, ...]
    roles: Mapping[str, Mapping[str, Any]]
    directory: str
    data: str
    tls: str
    sentinel_port: int = 26379
    down_after: int = 2000

    def __post_init__(self) -> None:
        if set(self.roles) != set(ROLES):
            raise ValueError(f"roles are {', '.join(ROLES)}")
        ports = [port for role in self.roles for port in self.servers(role).values()]
        if len(set(ports)) < len(ports):
            raise ValueError("two servers of a host have the same port; those of a Cluster have the ones after its own")
        if len(self.hosts) < QUORUM + 1:
            raise ValueError("three hosts at least: two of three Sentinels, or primaries, must be able to decide")

    @property
    def watched(self) -> list[str]:
        """The roles behind Sentinels."""
        return [role for role in self.roles if not self.is_clustered(role)]

    def is_clustered(self, role: str) -> bool:
        return bool(self.roles[role].get("cluster"))

    def servers(self, role: str) -> dict[str, int]:
        """Return the ports of the role's servers on each host by their names, the role's own first.

        In a Cluster each host has a primary and, of other hosts' shards, as many replicas as a shard has.
        """
        first, count = int(self.roles[role]["port"]), 1
        if self.is_clustered(role):
            count += int(self.roles[role].get("replicas", 1))
        return {role if place == 0 else f"{role}-{place + 1}": first + place for place in range(count)}

    @classmethod
    def read(cls, path: Path) -> "Site":
        values = tomllib.loads(path.read_text())
        return cls(hosts=tuple(values.pop("hosts")), **values)


def files(site: Site, passwords: Passwords) -> dict[str, str]:
    """Return every file's text by its path: one folder per host, a systemd EnvironmentFile per user, and tier.sh."""
    rendered = {"tier.sh": shell(site, passwords)}
    rendered |= {f"{user}.env": _environment(urls(site, user, passwords)) for user in URL_USERS}
    for host in site.hosts:
        for role in site.roles:
            rendered |= {
                f"{host}/{name}.conf": redis_conf(site, role, host, passwords, name) for name in site.servers(role)
            }
        rendered[f"{host}/users.acl"] = acl.render(acl.USERS, passwords)
        if site.watched:
            rendered[f"{host}/sentinel.conf"] = sentinel_conf(site, host, passwords)
            rendered[f"{host}/sentinel-users.acl"] = acl.render(acl.SENTINEL_USERS, passwords)
    return rendered


def redis_conf(site: Site, role: str, host: str, passwords: Passwords, name: str) -> str:
    """Return one server's redis.conf; behind Sentinels that of the first host starts as the primary."""
    primary, port = site.hosts[0], site.servers(role)[name]
    values = {
        **_tls(site, host, port),
        "tls-replication": "yes",
        "dir": f"{site.data.format(host=host)}/{name}",
        "aclfile": f"{site.directory.format(host=host)}/users.acl",
        "save": '""',
        "maxmemory": site.roles[role]["maxmemory"],
        **ROLES[role],
        "masteruser": "replica",
        "masterauth": passwords["replica"],
        "replica-read-only": "yes",
        "replica-announce-ip": host,
        "repl-timeout": 10,  # seconds
        "repl-ping-replica-period": 1,
        "repl-diskless-sync-delay": 0,
        "repl-backlog-size": "256mb",
        "client-output-buffer-limit": "replica 512mb 128mb 60",
        "tcp-keepalive": 60,
        "enable-debug-command": "no",
    }
    if site.is_clustered(role):
        values |= {
            **CLUSTERED,
            "bind-source-addr": host,  # the others learn a node's address from its connections
            "cluster-announce-hostname": host,
            "cluster-node-timeout": site.down_after,
        }
    elif host != primary:
        values["replicaof"] = f"{primary} {port}"
    return _lines(values)


def sentinel_conf(site: Site, host: str, passwords: Passwords) -> str:
    """Return one Sentinel's configuration; it watches every role and rewrites the file."""
    general = {
        **_tls(site, host, site.sentinel_port),
        "tls-replication": "yes",
        "dir": f"{site.data.format(host=host)}/sentinel",
        "aclfile": f"{site.directory.format(host=host)}/sentinel-users.acl",
        "sentinel deny-scripts-reconfig": "yes",
        "sentinel resolve-hostnames": "yes",
        "sentinel announce-hostnames": "yes",  # certificates are checked by name
        "sentinel announce-ip": host,
        "sentinel sentinel-user": "peer",
        "sentinel sentinel-pass": passwords["peer"],
    }
    watched = [
        f"sentinel monitor {role} {site.hosts[0]} {site.roles[role]['port']} {QUORUM}\n"
        f"sentinel down-after-milliseconds {role} {site.down_after}\n"
        f"sentinel failover-timeout {role} {FAILOVER_TIMEOUT}\n"
        f"sentinel parallel-syncs {role} 1\n"
        f"sentinel auth-user {role} sentinel\n"
        f"sentinel auth-pass {role} {passwords['sentinel']}\n"
        for role in site.watched
    ]
    return _lines(general) + "".join(watched)


def urls(site: Site, user: str, passwords: Passwords) -> dict[str, str]:
    """Return the three EPICOPS_REDIS_…_URL of the processes that run as `user`."""
    sentinels = ",".join(f"{host}:{site.sentinel_port}" for host in site.hosts)
    name = "peer" if user == "admin" else "app"  # whoever switches over commands the Sentinels
    at_sentinel = f"sentinel_username={name}&sentinel_password={quote(passwords[name])}"
    files = f"ssl_ca_certs={site.tls}/ca.crt&ssl_certfile={site.tls}/{user}.crt&ssl_keyfile={site.tls}/{user}.key"
    login = f"{user}:{quote(passwords[user])}"

    def url(role: str) -> str:
        if not site.is_clustered(role):
            return f"rediss+sentinel://{login}@{sentinels}/{role}?{at_sentinel}&{files}"
        nodes = ",".join(f"{host}:{port}" for port in site.servers(role).values() for host in site.hosts)
        return f"rediss+cluster://{login}@{nodes}?{files}"

    return {f"EPICOPS_REDIS_{role.upper()}_URL": url(role) for role in site.roles}


def shell(site: Site, passwords: Passwords) -> str:
    """Return the runbooks' shell functions.

    `redis HOST SERVER COMMAND…` (a server is called as its role, a Cluster's second one `ROLE-2`), `cluster COMMAND…`
    for redis-cli's own cluster manager, `sentinel HOST COMMAND…`, `manage COMMAND…` (on $DATABASE, if set), and
    `database`, the address of PostgreSQL's database or, with a name, of another one beside it.
    """
    files = f"--tls --cacert {site.tls}/ca.crt --cert {site.tls}/admin.crt --key {site.tls}/admin.key"
    servers = [item for role in site.roles for item in site.servers(role).items()]
    ports = "".join(f"        {name}) port={port} ;;\n" for name, port in servers)
    return f"""# Shell functions for the runbooks, as the users admin and peer.
redis() {{
    case $2 in
{ports}    esac
    host=$1; shift 2
    REDISCLI_AUTH={passwords["admin"]} redis-cli --user admin {files} -h "$host" -p "$port" "$@"
}}
cluster() {{
    REDISCLI_AUTH={passwords["admin"]} redis-cli --user admin {files} --no-auth-warning --cluster "$@"
}}
sentinel() {{
    host=$1; shift
    REDISCLI_AUTH={passwords["peer"]} redis-cli --user peer {files} -h "$host" -p {site.sentinel_port} "$@"
}}
""" + manage_shell(PurePosixPath(site.directory).parent)


def manage_shell(directory: PurePosixPath) -> str:
    """Return the shell functions for epicops' own commands, in any folder; `directory` has their environment files."""
    return f"""manage() (
    cd "${{EPICOPS_HOME:-/opt/epicops}}" && PATH=$PWD/.venv/bin:$PATH || exit
    env $(cat {directory}/epicops.env {directory}/admin.env) ${{DATABASE:+EPICOPS_DATABASE_URL="$DATABASE"}} \\
        python manage.py "$@"
)
database() {{
    url=$(sed -n 's/^EPICOPS_DATABASE_URL=//p' {directory}/epicops.env)
    if [ $# -gt 0 ]; then url=$(printf %s "$url" | sed -E "s,/[^/?]+([?]|$),/$1\\1,"); fi
    printf %s "$url"
}}
"""


def new_passwords(kept: Passwords) -> dict[str, str]:
    """Return a password for every user: the kept ones, and random ones for the others."""
    users = (*acl.USERS, *acl.SENTINEL_USERS)
    return {user: kept.get(user) or secrets.token_urlsafe(32) for user in users}


def _tls(site: Site, host: str, port: int) -> dict[str, Any]:
    return {
        "bind": host,
        "port": 0,
        "tls-port": port,
        "tls-cert-file": f"{site.tls}/{host}.crt",
        "tls-key-file": f"{site.tls}/{host}.key",
        "tls-ca-cert-file": f"{site.tls}/ca.crt",
        "tls-auth-clients": "yes",
        "tls-protocols": "TLSv1.3",
    }


def _environment(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _lines(values: Mapping[str, Any]) -> str:
    return "".join(f"{name} {value}\n" for name, value in values.items())
