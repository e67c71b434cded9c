"""redis-py's TLS connections with our pinned context.

Its own make a default context for every connection: 20 ms, and the system's CAs are trusted beside ours. It has no
public way to pass a context, hence the overrides; tests/epicops/test_redis_client.py fails if they are not called.
"""

import socket
import ssl

import redis.sentinel

from epicops.tls import client_context


class PinnedTLS:
    """Mixed into redis-py's TLS connections."""

    ca_certs: str
    certfile: str | None
    keyfile: str | None
    host: str

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        context = client_context(self.ca_certs, self.certfile, self.keyfile)
        return context.wrap_socket(sock, server_hostname=self.host)


class TLSConnection(PinnedTLS, redis.SSLConnection):
    pass


class SentinelTLSConnection(PinnedTLS, redis.sentinel.SentinelManagedSSLConnection):
    pass
