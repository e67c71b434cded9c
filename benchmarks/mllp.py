#!/usr/bin/env python
"""The MLLP door beside python-hl7's server: acknowledged messages per second and the time to each answer.

Run it as: script/with-stack benchmarks/mllp.py [--quick] [--json]

Both listeners run as processes of their own; one client process sends the same messages to each, in turns within one
run, over C connections with up to W unanswered messages on each (C x W). epicops answers AA when the queue's server has
confirmed the message (AOF always). python-hl7 only parses and acknowledges: it stores nothing.
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epicops.settings")
os.environ.setdefault("EPICOPS_LOG_LEVEL", "ERROR")

import django

django.setup()

from rich.console import Console
from rich.table import Table

from epicops import keys
from epicops.embedded.stack import free_port
from epicops.redis_client import queue_client
from interconnect.simulator import generate
from interconnect.wire.mllp import READ_SIZE, Frame, Framer, wrap

SHAPES = ((1, 1), (1, 50), (4, 1), (4, 25))
TARGETS = {"1x50 msgs/s": 1000, "4x25 msgs/s": 1000, "1x1 p99 ms": 20}
EPICOPS, PEER = "epicops", "python-hl7"
PEER_SERVER = """
import asyncio, sys, hl7.mllp
async def serve(reader, writer):
    while not writer.is_closing():
        try:
            message = await reader.readmessage()
        except asyncio.IncompleteReadError:
            break
        writer.writemessage(message.create_ack())
        await writer.drain()
    writer.close()
async def main():
    async with await hl7.mllp.start_hl7_server(serve, "127.0.0.1", int(sys.argv[1]), encoding="utf-8") as server:
        await server.serve_forever()
asyncio.run(main())
"""


@contextmanager
def listening(command: list[str], port: int) -> Iterator[None]:
    """Run a listener until the block ends."""
    process = subprocess.Popen([sys.executable, *command], cwd=PROJECT)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


async def converse(port: int, messages: list[bytes], window: int) -> list[float]:
    """Send the messages over one connection; return the seconds each waited for its AA."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    framer, sent_at, waits = Framer(), deque[float](), []
    rest = iter(messages)
    for raw in islice(rest, window):
        sent_at.append(time.perf_counter())
        writer.write(wrap(raw))
    while sent_at:
        for event in framer.feed(await reader.read(READ_SIZE)):
            if not isinstance(event, Frame) or b"\rMSA|AA|" not in event.payload:
                raise SystemExit("not accepted: the figure would mean nothing")
            waits.append(time.perf_counter() - sent_at.popleft())
            for raw in islice(rest, 1):
                sent_at.append(time.perf_counter())
                writer.write(wrap(raw))
    writer.close()
    return waits


async def run(port: int, messages: list[bytes], connections: int, window: int) -> tuple[float, list[float]]:
    """Return acknowledged messages per second and the waits."""
    started = time.perf_counter()
    shares = [messages[number::connections] for number in range(connections)]
    waits = await asyncio.gather(*(converse(port, share, window) for share in shares))
    return len(messages) / (time.perf_counter() - started), [wait for share in waits for wait in share]


def measure(ports: dict[str, int], messages: list[bytes], repeats: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    for connections, window in SHAPES:
        shape = f"{connections}x{window}"
        runs: dict[str, list[tuple[float, list[float]]]] = {name: [] for name in ports}
        for _ in range(repeats):
            for name, port in ports.items():
                runs[name].append(asyncio.run(run(port, messages, connections, window)))
                queue_client().delete(keys.QUEUE)
        for name, results in runs.items():
            label = shape if name == EPICOPS else f"{name} {shape}"
            waits = sorted(wait for _, share in results for wait in share)
            figures[f"{label} msgs/s"] = round(statistics.median(rate for rate, _ in results))
            figures[f"{label} p50 ms"] = round(1000 * waits[len(waits) // 2], 2)
            figures[f"{label} p99 ms"] = round(1000 * waits[len(waits) * 99 // 100], 2)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer messages; ends within 45 s on two cores")
    parser.add_argument("--json", action="store_true", help="print the JSON line only")
    options = parser.parse_args()
    count, repeats = (1000, 3) if options.quick else (5000, 5)
    messages = list(generate(count, seed=1, beds=500))
    ports = {EPICOPS: free_port(), PEER: free_port()}
    ours = ["manage.py", "listen_mllp", "--port", str(ports[EPICOPS])]
    with listening(ours, ports[EPICOPS]), listening(["-c", PEER_SERVER, str(ports[PEER])], ports[PEER]):
        measure(ports, messages[:100], 1)  # warm
        figures = measure(ports, messages, repeats)
    if not options.json:
        table = Table("", "messages/s", "p50 ms", "p99 ms", "times python-hl7", title="Acknowledged over MLLP")
        for connections, window in SHAPES:
            shape = f"{connections}x{window}"
            ratio = figures[f"{shape} msgs/s"] / figures[f"{PEER} {shape} msgs/s"]
            for label, times in ((shape, f"{ratio:.2f}"), (f"{PEER} {shape}", "")):
                cells = (f"{figures[f'{label} {unit}']:,}" for unit in ("msgs/s", "p50 ms", "p99 ms"))
                table.add_row(label, *cells, times)
        Console().print(table)
    met = {
        name: figures[name] < target if name.endswith("ms") else figures[name] >= target
        for name, target in TARGETS.items()
    }
    print(json.dumps({"figures": figures, "messages": count, "repeats": repeats, "targets": TARGETS, "met": met}))


if __name__ == "__main__":
    main()
