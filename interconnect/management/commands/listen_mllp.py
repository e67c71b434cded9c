"""The MLLP listener."""

import asyncio
import logging
import os
import signal
import socket
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from epicops import keys
from epicops.redis_client import AsyncRedis, async_queue_client
from interconnect.door import Door
from interconnect.heartbeat import BEAT, EVERY
from interconnect.mllp import Limits, Server

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Accept HL7 messages over MLLP and queue them until SIGTERM or SIGINT. AA means: confirmed by the queue."

    def add_arguments(self, parser: CommandParser) -> None:
        limits = Limits()
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument(
            "--port", type=int, default=2575, help="TCP port (default: %(default)s); 0 takes a free one"
        )
        parser.add_argument(
            "--max-frame",
            type=int,
            default=limits.max_frame,
            metavar="BYTES",
            help="refuse larger messages with AR (default: %(default)s)",
        )
        parser.add_argument(
            "--idle-timeout",
            type=float,
            default=limits.idle,
            metavar="SECONDS",
            help="close a connection that completes no frame for so long (default: %(default)s)",
        )
        parser.add_argument(
            "--max-connections",
            type=int,
            default=limits.connections,
            metavar="N",
            help="close connections beyond so many at once (default: %(default)s)",
        )

    def handle(
        self, *, host: str, port: int, max_frame: int, idle_timeout: float, max_connections: int, **options: Any
    ) -> None:
        limits = Limits(max_frame=max_frame, idle=idle_timeout, connections=max_connections)
        try:
            asyncio.run(listen(host, port, limits))
        except OSError as error:
            raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}") from error


async def listen(host: str, port: int, limits: Limits) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is open and close. A second signal ends the process."""
    async with async_queue_client() as queue:
        server = Server(Door(queue).answer, limits)
        stop = stop_on_signal()
        bound = await server.start(host, port)
        logger.info("listening", extra={"host": host, "port": bound})
        program = f"listener {socket.gethostname()}:{os.getpid()}:{bound}"
        signs = asyncio.create_task(give_signs(queue, program))
        await stop.wait()
        signs.cancel()
        await server.stop()
        with suppress(RedisError):  # it goes late instead
            await queue.hdel(keys.ALIVE, program)
    logger.info("stopped")


async def give_signs(queue: AsyncRedis, program: str) -> None:
    """Give a sign of life every second for as long as the loop runs; while Redis is away there is nobody to tell."""
    while True:
        with suppress(RedisError, OSError):
            await queue.eval(BEAT, 1, keys.ALIVE, program)
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
