"""TLS as epicops speaks it: version 1.3 only, our own CA only, and a certificate on both sides."""

import functools
import ssl
from pathlib import Path


def client_context(ca: str, certificate: str | None = None, key: str | None = None) -> ssl.SSLContext:
    """Return the context for connections to our servers; PEM files, read again once they have changed.

    The system's CAs are not trusted. Making a context costs some 20 ms, so that it is kept, not made per connection.
    """
    return _context(ssl.PROTOCOL_TLS_CLIENT, ca, certificate, key, _stamps(ca, certificate, key))


def server_context(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """Return the context for a listener that admits only clients with a certificate of `ca`."""
    return _context(ssl.PROTOCOL_TLS_SERVER, ca, certificate, key, _stamps(ca, certificate, key))


@functools.lru_cache(maxsize=16)
def _context(
    protocol: int, ca: str, certificate: str | None, key: str | None, _files_as_of: tuple[int, ...]
) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=ca)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def _stamps(*paths: str | None) -> tuple[int, ...]:
    """When each file was last changed: a renewed certificate is taken up by the next connection."""
    return tuple(Path(path).stat().st_mtime_ns for path in paths if path is not None)
