"""Key rings, a canary patient on every path, and the search for it in what servers have written."""

import base64
import json
import time

from django.test import Client
from django.urls import reverse
from django_redis import get_redis_connection

from epicops.embedded.stack import Stack
from epicops.redis_client import queue_client, sessions_client
from interconnect.wire import inbox
from interconnect.wire import push as door
from interconnect.wire.refused import Refusal, RefusalLog
from sessions_app.backend import SessionStore
from tests.builders import adt, drain, oru
from tests.factories import person, signed_in, unit
from vitals import whereabouts

CANARY = "ZZCANARY"
OLD, NEW = (base64.b64encode(letter * 32).decode() for letter in (b"o", b"n"))
RING = json.dumps({"primary": "k001", "keys": {"k001": OLD}})
ROTATED = json.dumps({"primary": "k002", "keys": {"k001": OLD, "k002": NEW}})
WITHOUT_OLD = json.dumps({"primary": "k002", "keys": {"k002": NEW}})


def knock(*messages: bytes) -> None:
    """Send messages through a door's push."""
    door.push(queue_client(), door.sealed(messages))


def session(**data: str) -> str:
    """Log in, with something to remember; return the session's id."""
    store = SessionStore()
    store.update({"role": "nurse"} | data)
    store.save()
    return str(store.session_key)


def every_path() -> None:
    """A patient admitted, measured, on a board, rejected and refused; waiting in queue and inbox; in a session."""
    bad = adt("A01", mrn="", family=CANARY)
    knock(adt("A01", family=CANARY), oru(hr=81), bad)
    drain()
    whereabouts.refresh()
    shown = signed_in(Client(), person("amara", ward="MED")).get(reverse("hyperspace:board", args=[unit("MED").pk]))
    assert CANARY in shown.content.decode()
    session(note=CANARY)
    log = RefusalLog()
    log.add(Refusal("not a message", 100, adt("A08", family=CANARY)), "192.0.2.1")
    log.flush()
    knock(adt("A02", family=CANARY, minutes=5))
    inbox.keep(door.sealed([adt("A03", family=CANARY, minutes=9)]))


def forms(text: str) -> list[bytes]:
    """How a text could lie on a disk: plain, UTF-16, hex and base64 at each of its three alignments."""
    raw = text.encode()
    shifted = [base64.b64encode(b"x" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)]
    return [raw, text.encode("utf-16-le"), text.encode("utf-16-be"), raw.hex().encode(), *shifted]


def holds_canary(content: bytes) -> bool:
    return any(form in content for form in forms(CANARY))


def on_disk(stack: Stack) -> list[str]:
    """The files of the Redis servers, and all servers' logs, that hold the canary, before and after a rewrite."""
    found = with_canary(stack)
    for client in (queue_client(), sessions_client()):
        client.bgrewriteaof()
        while client.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(0.02)
        client.save()
    get_redis_connection("default").save()
    return found + with_canary(stack)


def with_canary(stack: Stack) -> list[str]:
    paths = [path for server in (stack.queue, stack.sessions, stack.cache) for path in server.data.rglob("*")]
    files = [path for path in (*paths, *(server.log for server in stack.servers)) if path.is_file()]
    return [str(path) for path in files if holds_canary(path.read_bytes())]
