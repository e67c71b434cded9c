"""redis-py's TLS connections with our pinned context.

Its own make a default context for every connection: 20 ms, and the system's CAs are trusted beside ours. It has no
public way to pass a context, hence the overrides; tests/epicops/test_redis_client.py fails if they are not called.
"""

import socket
import ssl
from typing import Any

import redis.sentinel

from epicops.tls import client_context


class PinnedTLS:
    """Mixed into redis-py's TLS connections."""

    ca_certs: str
    certfile: str | None
    keyfile: str | None
    host: str
    _sock: Any

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        context = client_context(self.ca_certs, self.certfile, self.keyfile)
        return context.wrap_socket(sock, server_hostname=self.host)

    def certificate_ends(self) -> float:
        """Return until when (Unix time) the certificate is valid that the server has shown to this connection."""
        return ssl.cert_time_to_seconds(self._sock.getpeercert()["notAfter"])


class TLSConnection(PinnedTLS, redis.SSLConnection):
    pass


class Forgetful:
    """Mixed into redis-py's Sentinel connections, which alone stay open after a timeout.

    The primary is looked up when a connection is made, so a frozen one would be asked for ever; and the reply that
    comes late after all would be taken for that of the next command.
    """

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        return super().read_response(*args, **{"disconnect_on_error": True} | kwargs)  # type: ignore[misc]  # mixed in


class SentinelConnection(Forgetful, redis.sentinel.SentinelManagedConnection):
    pass


class SentinelTLSConnection(Forgetful, PinnedTLS, redis.sentinel.SentinelManagedSSLConnection):
    pass
