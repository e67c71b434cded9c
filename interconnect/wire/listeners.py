"""Listeners as an operator describes them: on the command line, or several in a TOML file."""

import ipaddress
import ssl
import tomllib
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser

from epicops.arguments import PORT
from epicops.tls import server_context
from interconnect.wire.mllp_server import Limits, Network
from interconnect.wire.objections import Sender

DEFAULT: Final = Limits()
NUMBERS: Final = (  # option, field of Limits, unit, what it does
    ("--max-frame", "max_frame", "BYTES", "refuse larger messages with AR"),
    ("--idle-timeout", "idle", "SECONDS", "close a connection without a frame for so long"),
    ("--frame-timeout", "frame", "SECONDS", "close a connection whose frame has no end after so long"),
    ("--max-connections", "connections", "N", "close connections beyond so many at once"),
    ("--max-per-peer", "per_peer", "N", "the same for one network address"),
)


@dataclass(frozen=True, slots=True)
class Listener:
    """One address to listen on, and its senders' policy: limits, TLS, and who they may be."""

    host: str
    port: int
    limits: Limits
    senders: frozenset[Sender] = frozenset()  # empty: all
    tls: ssl.SSLContext | None = field(default=None, repr=False)


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=PORT, default=2575, help="TCP port (default: %(default)s); 0 takes a free one")
    for option, name, unit, words in NUMBERS:
        default = getattr(DEFAULT, name)
        words = f"{words} (default: %(default)s)"  # noqa: PLW2901
        parser.add_argument(option, dest=name, type=type(default), default=default, metavar=unit, help=words)
    parser.add_argument(
        "--allow",
        dest="allowed",
        type=network,
        action="append",
        default=[],
        metavar="NETWORK",
        help="accept connections from this address or network only, such as 10.1.0.0/16; may be repeated",
    )
    parser.add_argument(
        "--sender",
        dest="senders",
        type=sender,
        action="append",
        default=[],
        metavar="APPLICATION[@FACILITY]",
        help="refuse messages whose MSH-3 and MSH-4 name another sender; may be repeated",
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="speak TLS 1.3 with this certificate chain (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="its private key; default: in the same file")
    parser.add_argument("--tls-client-ca", metavar="FILE", help="ask for a client certificate signed by these")


def listener(options: Mapping[str, Any]) -> Listener:
    """Return the listener that parsed options describe; raise CommandError when its certificates cannot be used."""
    numbers = {name: options[name] for _, name, _, _ in NUMBERS}
    limits = Limits(**numbers, allowed=tuple(options["allowed"]))
    certificate = options["tls_cert"]
    try:
        tls = server_context(certificate, options["tls_key"], options["tls_client_ca"]) if certificate else None
    except OSError as error:  # ssl.SSLError is one
        raise CommandError(f"cannot use {certificate}: {error.strerror or error}") from error
    return Listener(options["host"], options["port"], limits, frozenset(options["senders"]), tls)


def read(path: Path) -> list[Listener]:
    """Return the listeners of a TOML file, a table each, whose keys are the options' names; raise CommandError."""
    try:
        tables = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CommandError(f"cannot read {path}: {error}") from error
    if not tables or not all(isinstance(table, dict) for table in tables.values()):
        raise CommandError(f"{path} has one table for each listener, and nothing else")
    found = []
    for name, table in tables.items():
        parser = CommandParser(prog=name, add_help=False, allow_abbrev=False, called_from_command_line=False)
        add_options(parser)
        try:
            found.append(listener(vars(parser.parse_args(list(_arguments(table))))))
        except CommandError as error:
            raise CommandError(f"{path}, [{name}]: {error}") from error
    return found


def _arguments(table: Mapping[str, Any]) -> Iterator[str]:
    for option, value in table.items():
        for one in value if isinstance(value, list) else [value]:
            yield f"--{option}={one}"


def network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def sender(text: str) -> Sender:
    """Read APPLICATION or APPLICATION@FACILITY; without the latter, any facility of that application."""
    application, _, facility = text.partition("@")
    return application.encode(), facility.encode()
