"""Clients on real TLS servers (Debian's Redis 7.0): what is refused, how fast, and what the logs say."""

import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from epicops import redis_client, tls
from epicops.embedded.stack import free_port
from epicops.pki import Authority
from epicops.redis_client import Redis, connect
from tests.redis_servers import RedisServer, tls_lines, tls_query

pytestmark = pytest.mark.redis70


@dataclass
class Secured:
    """A server that admits only clients with a certificate of `authority`."""

    server: RedisServer
    authority: Authority
    port: int

    def url(self, authority: Authority | None = None, name: str = "web") -> str:
        return f"rediss://localhost:{self.port}?{tls_query(authority or self.authority, name)}"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    root = tmp_path_factory.mktemp("tls")
    authority = Authority(root / "pki")
    authority.create("epicops test CA")
    authority.issue("server", ["localhost"])
    authority.issue("web")
    port = free_port()
    url = f"rediss://localhost:{port}?{tls_query(authority, 'web')}"
    server = RedisServer("secured", root, tls_lines(authority, port), url, kind="debian")
    server.start()
    yield Secured(server, authority, port)
    server.stop()


def context_of(client: Redis) -> ssl.SSLContext:
    connection: Any = client.connection_pool.get_connection()
    try:
        context: ssl.SSLContext = connection._sock.context
        return context
    finally:
        client.connection_pool.release(connection)


def foreign(tmp_path: Path) -> Authority:
    authority = Authority(tmp_path / "foreign")
    authority.create("somebody else")
    authority.issue("web")
    return authority


def test_a_client_with_our_certificate_speaks_tls_13(secured: Secured) -> None:
    connection: Any = connect(secured.url()).connection_pool.get_connection()
    files = connection.ca_certs, connection.certfile, connection.keyfile

    assert connection._sock.version() == "TLSv1.3"
    assert connection._sock.context is tls.client_context(*files)


def test_no_system_ca_is_trusted(secured: Secured) -> None:
    context = tls.client_context(str(secured.authority.certificate))

    assert len(context.get_ca_certs()) == 1


def test_a_server_of_another_ca_is_refused(secured: Secured, tmp_path: Path) -> None:
    client = connect(secured.url(foreign(tmp_path)))

    with pytest.raises(RedisConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        client.ping()


def test_a_server_under_another_name_is_refused(secured: Secured) -> None:
    client = connect(secured.url().replace("localhost", "127.0.0.1"))

    with pytest.raises(RedisConnectionError, match=r"not valid for|mismatch"):
        client.ping()


def test_a_client_without_a_certificate_is_refused(secured: Secured) -> None:
    client = connect(f"rediss://localhost:{secured.port}?ssl_ca_certs={secured.authority.certificate}")

    with pytest.raises(RedisConnectionError):
        client.ping()


def test_a_client_certificate_of_another_ca_is_refused(secured: Secured, tmp_path: Path) -> None:
    other = foreign(tmp_path).directory
    files = f"ssl_ca_certs={secured.authority.certificate}&ssl_certfile={other}/web.crt&ssl_keyfile={other}/web.key"

    with pytest.raises(RedisConnectionError):
        connect(f"rediss://localhost:{secured.port}?{files}").ping()


def test_plain_text_is_refused(secured: Secured) -> None:
    with pytest.raises(RedisConnectionError):
        connect(f"redis://localhost:{secured.port}").ping()


def test_tls_12_is_refused(secured: Secured) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(secured.authority.certificate)

    with (
        socket.create_connection(("localhost", secured.port)) as plain,
        pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


def test_the_server_logs_refusals_without_secrets(secured: Secured) -> None:
    with pytest.raises(RedisConnectionError):
        connect(f"redis://:hunter2@localhost:{secured.port}").ping()

    log = secured.server.log.read_text()
    assert "Error accepting a client connection" in log
    assert "hunter2" not in log


def test_a_renewed_certificate_is_used_by_the_next_connection(secured: Secured) -> None:
    client = connect(secured.url())
    before = context_of(client)

    secured.authority.issue("web")
    client.connection_pool.disconnect()

    assert context_of(client) is not before


def test_while_a_certificate_is_half_replaced_the_former_one_is_used(secured: Secured) -> None:
    client = connect(secured.url())
    before = context_of(client)

    (secured.authority.directory / "web.key").write_text("half a key")
    client.connection_pool.disconnect()
    assert context_of(client) is before

    secured.authority.issue("web")
    client.connection_pool.disconnect()
    assert context_of(client) is not before


def test_reconnecting_costs_no_new_context(secured: Secured) -> None:
    client = connect(secured.url())
    client.ping()
    made = tls._context.cache_info().misses

    for _ in range(5):
        client.connection_pool.disconnect()
        client.ping()

    assert tls._context.cache_info().misses == made


@pytest.mark.usefixtures("hurried")
def test_a_dead_server_costs_a_page_a_tenth_of_a_second(secured: Secured) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, never answers: a frozen host
        client = connect(f"redis://127.0.0.1:{silent.getsockname()[1]}", timeout=redis_client.WEB_TIMEOUT, retries=1)
        started = time.monotonic()
        with pytest.raises(RedisError):
            client.ping()

    assert time.monotonic() - started < 2


def test_a_wrong_password_is_in_no_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    address = f"redis+sentinel://web:hunter2@127.0.0.1:{port}/epicops?sentinel_username=app&sentinel_password=hunter3"

    with pytest.raises(RedisConnectionError) as caught:
        connect(address).ping()

    assert "hunter" not in str(caught.value)


def test_django_redis_speaks_tls_too(secured: Secured) -> None:
    factory = redis_client.CacheConnectionFactory({})

    client: Redis = factory.connect(secured.url())

    assert client.ping()
    assert client.connection_pool.connection_kwargs["socket_timeout"] == redis_client.WEB_TIMEOUT
