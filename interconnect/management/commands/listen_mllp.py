"""The MLLP listener."""

import asyncio
import ipaddress
import logging
import os
import signal
import socket
import ssl
from argparse import ArgumentTypeError
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from epicops.breaker import Breaker
from epicops.redis_client import queue_door_client, queue_web_client
from interconnect.door import Door
from interconnect.heartbeat import EVERY, beat, leaves
from interconnect.intake import Intake
from interconnect.mllp_server import Limits, Network, Server

logger = logging.getLogger(__name__)

LIMITS = Limits()
NUMBERS = (  # option, field of Limits, unit, what it does
    ("--max-frame", "max_frame", "BYTES", "refuse larger messages with AR"),
    ("--idle-timeout", "idle", "SECONDS", "close a connection without a frame for so long"),
    ("--frame-timeout", "frame", "SECONDS", "close a connection whose frame has no end after so long"),
    ("--max-connections", "connections", "N", "close connections beyond so many at once"),
    ("--max-per-peer", "per_peer", "N", "the same for one network address"),
)


class Command(BaseCommand):
    help = (
        "Accept HL7 messages over MLLP until SIGTERM or SIGINT. AA means: confirmed by the queue's server or by "
        "PostgreSQL. Start one process for each port; each has its own limits, addresses and certificates."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument(
            "--port", type=int, default=2575, help="TCP port (default: %(default)s); 0 takes a free one"
        )
        for option, field, unit, words in NUMBERS:
            default = getattr(LIMITS, field)
            words = f"{words} (default: %(default)s)"  # noqa: PLW2901
            parser.add_argument(option, dest=field, type=type(default), default=default, metavar=unit, help=words)
        parser.add_argument(
            "--allow",
            dest="allowed",
            type=network,
            action="append",
            default=[],
            metavar="NETWORK",
            help="accept connections from this address or network only, such as 10.1.0.0/16; may be repeated",
        )
        parser.add_argument("--tls-cert", metavar="FILE", help="speak TLS 1.3 with this certificate chain (PEM)")
        parser.add_argument("--tls-key", metavar="FILE", help="its private key; default: in the same file")
        parser.add_argument("--tls-client-ca", metavar="FILE", help="ask for a client certificate signed by these")

    def handle(self, *, host: str, port: int, tls_cert: str | None, allowed: list[Network], **options: Any) -> None:
        numbers = {field: options[field] for _, field, _, _ in NUMBERS}
        limits = Limits(**numbers, allowed=tuple(allowed))
        try:
            tls = tls_context(tls_cert, options["tls_key"], options["tls_client_ca"]) if tls_cert else None
        except OSError as error:  # ssl.SSLError is one
            raise CommandError(f"cannot use {tls_cert}: {error.strerror or error}") from error
        try:
            asyncio.run(listen(host, port, limits, tls))
        except OSError as error:
            raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}") from error


def network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def tls_context(certificate: str, key: str | None, client_ca: str | None) -> ssl.SSLContext:
    """Return what a TLS listener needs: version 1.3, and the clients' authority where they must show a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def listen(host: str, port: int, limits: Limits, tls: ssl.SSLContext | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is open and close. A second signal ends the process."""
    door = Door(Intake(queue_door_client(), Breaker("queue")))
    server = Server(door, limits, tls)
    stop = stop_on_signal()
    bound = await server.start(host, port)
    logger.info("listening", extra={"host": host, "port": bound, "tls": tls is not None})
    program = f"listener {socket.gethostname()}:{os.getpid()}:{bound}"
    with leaves(queue_web_client(), program):
        signs = asyncio.create_task(give_signs(program))
        await stop.wait()
        signs.cancel()
        await server.stop()
        await door.close()
    logger.info("stopped")


async def give_signs(program: str) -> None:
    """Give a sign of life every second for as long as the loop runs."""
    while True:
        with suppress(RedisError):  # while the server is away there is nobody to tell
            await asyncio.to_thread(beat, queue_web_client(), program)
        await asyncio.sleep(EVERY)


def stop_on_signal() -> asyncio.Event:
    """Return an event that the first SIGTERM or SIGINT sets; the second one gets its default action."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_signal() -> None:
        stop.set()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(signum)

    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, on_signal)
    return stop
