"""TLS as epicops speaks it: version 1.3 only, our own CA only, and a certificate on both sides."""

import functools
import logging
import ssl
from pathlib import Path

logger = logging.getLogger(__name__)


Files = tuple[str | None, str | None, str | None]  # CA, certificate, key

_usable: dict[tuple[int, Files], ssl.SSLContext] = {}  # by protocol and files, as they were when they last fitted


def client_context(ca: str, certificate: str | None = None, key: str | None = None) -> ssl.SSLContext:
    """Return the context for connections to our servers; PEM files, read again once they have changed.

    The system's CAs are not trusted. Making a context costs some 20 ms, so that it is kept, not made per connection.
    """
    return _newest(ssl.PROTOCOL_TLS_CLIENT, (ca, certificate, key))


def server_context(certificate: str, key: str | None, client_ca: str | None) -> ssl.SSLContext:
    """Return the context for a listener; with `client_ca` it admits only clients with a certificate signed by these.

    Each connection gets the files as they are then, the CAs' included.
    """
    files = (client_ca, certificate, key)

    def renew(connection: ssl.SSLObject, _name: str, _listeners: ssl.SSLContext) -> None:
        connection.context = _newest(ssl.PROTOCOL_TLS_SERVER, files)

    context = _newest(ssl.PROTOCOL_TLS_SERVER, files)
    context.sni_callback = renew  # called for every connection, with a name or without
    return context


def _newest(protocol: int, files: Files) -> ssl.SSLContext:
    """Return the context of files as they are, or of the former ones while they do not fit, half replaced."""
    try:
        _usable[protocol, files] = _context(protocol, *files, _stamps(*files))
    except OSError as error:  # ssl.SSLError is one
        if (protocol, files) not in _usable:
            raise
        logger.warning("certificate not usable", extra={"error": type(error).__name__})
    return _usable[protocol, files]


@functools.lru_cache(maxsize=16)
def _context(
    protocol: int, ca: str | None, certificate: str | None, key: str | None, _files_as_of: tuple[int, ...]
) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0  # who resumes a session shows no certificate: a CA's removal would not reach him
    if ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cafile=ca)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def _stamps(*paths: str | None) -> tuple[int, ...]:
    """When each file was last changed: a renewed certificate is taken up by the next connection."""
    return tuple(Path(path).stat().st_mtime_ns for path in paths if path is not None)
