"""How long the certificates last that connections of this deployment depend on: when one ends, all of them do."""

import ssl
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from django.conf import settings

from epicops.redis_client import Redis
from epicops.redis_shards import shards
from epicops.redis_url import parse
from monitoring.health import ROLES, answer

DAY: Final = 86_400  # seconds
RENEW: Final = 30  # days before its end a certificate should have been renewed
CA: Final = "CA"
OURS: Final = {CA: "ssl_ca_certs", "client": "ssl_certfile"}  # options of a Redis URL
OF_POSTGRESQL: Final = {CA: "sslrootcert", "client": "sslcert"}  # libpq's

Ends = Callable[[], float]  # gives Unix time


def days_left() -> Iterator[tuple[str, float]]:
    """Yield whose each certificate is and for how many days it is valid; less than none once it has ended.

    They are those that Redis servers show, and the CAs and our own of connections to Redis and PostgreSQL. One that
    cannot be read is left out: the part that needs it is away, which is told elsewhere.
    """
    for name, ends in _certificates():
        if (until := answer(ends)) is not None:
            yield name, (until - time.time()) / DAY


def _certificates() -> Iterator[tuple[str, Ends]]:
    for role, client in ROLES.items():
        address = parse(getattr(settings, f"EPICOPS_REDIS_{role.upper()}_URL"))
        if address.is_tls:
            yield f"Redis {role} server", partial(_shown_by, client)
            yield from _files(f"Redis {role}", address.options, OURS)
    yield from _files("PostgreSQL", settings.DATABASES["default"]["OPTIONS"], OF_POSTGRESQL)


def _files(part: str, options: Any, names: dict[str, str]) -> Iterator[tuple[str, Ends]]:
    for kind, name in names.items():
        if (file := options.get(name)) and file != "system":  # libpq's word for the CAs of the machine
            yield f"{part} {kind}", partial(_of_file, file, is_ca=kind == CA)


def _shown_by(client: Callable[[], Redis]) -> float:
    """Return until when the certificates are valid that the servers show to a new connection."""
    return min(map(_shown, shards(client())))


def _shown(server: Redis) -> float:
    pool = server.connection_pool
    connection: Any = pool.connection_class(**pool.connection_kwargs)  # one of the pool may know the former certificate
    connection.connect()
    try:
        return float(connection.certificate_ends())
    finally:
        connection.disconnect()


def _of_file(file: str, *, is_ca: bool) -> float:
    """Return until when a PEM file is of use: ours begins with our certificate, and of CAs the last one counts."""
    try:
        found = x509.load_pem_x509_certificates(Path(file).read_bytes())
    except ValueError as error:
        raise ssl.SSLError("no certificate") from error
    return max(each.not_valid_after_utc.timestamp() for each in (found if is_ca else found[:1]))
