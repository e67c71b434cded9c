"""The MLLP listener."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from epicops.arguments import positive
from epicops.breaker import Breaker
from epicops.redis_client import queue_door_client, queue_web_client
from epicops.systemd import notify
from interconnect.consumer.heartbeat import EVERY, beat, leaves
from interconnect.wire import byte_budget
from interconnect.wire.byte_budget import ByteBudget
from interconnect.wire.door import Door, Entrance
from interconnect.wire.intake import Intake
from interconnect.wire.listeners import Listener, add_options, listener, read
from interconnect.wire.mllp_server import Server

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Accept HL7 messages over MLLP until SIGTERM or SIGINT. AA means: confirmed by the queue's server or by "
        "PostgreSQL."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = (
            "Example: manage.py listen_mllp --host 0.0.0.0 --tls-cert listener.pem --tls-client-ca senders.crt"
        )
        parser.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            help="listen on several ports: a TOML file with a table for each, whose keys are the names of the options "
            "below; those given here are then ignored",
        )
        parser.add_argument(
            "--max-held",
            type=positive,
            default=byte_budget.BYTES,
            metavar="BYTES",
            help="memory for unfinished and unanswered frames, all connections together (default: %(default)s)",
        )
        add_options(parser)

    def handle(self, *, config: Path | None, max_held: int, **options: Any) -> None:
        asyncio.run(listen(read(config) if config else [listener(options)], ByteBudget(max_held)))


async def listen(listeners: Sequence[Listener], budget: ByteBudget) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is open and close. A second signal ends the process."""
    door = Door(Intake(queue_door_client(), Breaker("queue")))
    stop = stop_on_signal()
    servers = [Server(Entrance(door, each.senders), each.limits, each.tls, budget) for each in listeners]
    ports = [await start(server, each) for server, each in zip(servers, listeners, strict=True)]
    notify("READY=1")
    program = f"listener {socket.gethostname()}:{os.getpid()}:{','.join(map(str, ports))}"
    with leaves(queue_web_client(), program):
        signs = asyncio.create_task(give_signs(program))
        await stop.wait()
        signs.cancel()
        await asyncio.gather(*(server.stop() for server in servers))
        await door.close()
    logger.info("stopped")


async def start(server: Server, each: Listener) -> int:
    """Listen; return the port. Raise CommandError where that is not possible."""
    try:
        port = await server.start(each.host, each.port)
    except OSError as error:
        raise CommandError(f"cannot listen on {each.host}:{each.port}: {error.strerror}") from error
    logger.info("listening", extra={"host": each.host, "port": port, "tls": each.tls is not None})
    return port


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
