"""A draining worker in which something dies at one exact point: `dying_worker.py POINT [SERVER_PID]`.

Without a process id the worker kills itself; with one it kills that server and goes on as best it can.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epicops.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import OperationalError  # noqa: E402
from django.db.backends.postgresql.base import DatabaseWrapper  # noqa: E402

from epicops.embedded import processes  # noqa: E402
from epicops.redis_client import Redis  # noqa: E402
from interconnect.consumer import apply, delivery, worker  # noqa: E402
from interconnect.consumer.queue import InboundQueue  # noqa: E402
from interconnect.hl7.er7 import Message  # noqa: E402

BEFORE, AFTER = "before", "after"

# Which call, and whether death comes before or after it.
POINTS: dict[str, tuple[Any, str, str]] = {
    "before the claim": (InboundQueue, "claim", BEFORE),
    "after the claim": (InboundQueue, "claim", AFTER),
    "in the transaction": (apply, "_bury", AFTER),
    "before the commit": (DatabaseWrapper, "_commit", BEFORE),
    "after the commit, unheard": (DatabaseWrapper, "_commit", AFTER),
    "after the commit": (worker, "apply_batch", AFTER),
    "before the acknowledgement": (InboundQueue, "acknowledge", BEFORE),
    "after the acknowledgement": (InboundQueue, "acknowledge", AFTER),
    "before the outbox": (worker, "push_outbox", BEFORE),
    "after the outbox's push": (Redis, "lpush", AFTER),
}


def die_at(point: str, death: Callable[[], None]) -> None:
    """Let `death` happen at the first call of the point."""
    owner, name, when = POINTS[point]
    original = getattr(owner, name)
    pending = [death]

    def dying(*args: Any, **kwargs: Any) -> Any:
        if when == AFTER:
            result = original(*args, **kwargs)
            if pending:
                pending.pop()()
                if point == "after the commit, unheard":
                    raise OperationalError("server closed the connection unexpectedly")
            return result
        if pending:
            pending.pop()()
        return original(*args, **kwargs)

    setattr(owner, name, dying)


def die_reading() -> None:
    """Die, as by a crash of the interpreter, whenever DEADLY of tests/messages.py is interpreted."""
    original: Callable[..., Any] = vars(delivery)["interpret"]

    def interpret(message: Message, *local_codes: Any) -> Any:
        if message.control_id == "DEADLY":
            os.kill(os.getpid(), signal.SIGKILL)
        return original(message, *local_codes)

    setattr(delivery, "interpret", interpret)  # noqa: B010  the fault that is injected


def main(point: str, server: str = "") -> None:
    batch = 500
    if point == "reading the deadly message":
        die_reading()
        batch = 2
    elif server:
        die_at(point, lambda: processes.end(processes.tree(int(server)), signal.SIGKILL))
    else:
        die_at(point, lambda: os.kill(os.getpid(), signal.SIGKILL))
    call_command("consume_interconnect", drain=True, batch=batch)


if __name__ == "__main__":
    main(*sys.argv[1:])
