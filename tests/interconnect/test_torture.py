"""Everything is killed while four senders send: what they read AA for is applied once, in each one's order.

TORTURE_MESSAGES=20000 is the long form.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from epicops.embedded.stack import Stack, free_port
from interconnect.models import InboundMessage
from interconnect.wire.inbox import InboxMessage
from interconnect.wire.mllp_client import MLLPSender, acknowledged
from tests.builders import drain, oru
from tests.processes import ManageProcess

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

MESSAGES = int(os.environ.get("TORTURE_MESSAGES", "4000"))
SENDERS = 4


class WaryThread(threading.Thread):
    """A sender that resends what was not acknowledged AA, and notes what was ever answered AE."""

    def __init__(self, port: int, name: str, count: int) -> None:
        super().__init__()
        self.postponed: set[str] = set()
        self.sender = MLLPSender("127.0.0.1", port, window=25)
        self._settle, self.sender._settle = self.sender._settle, self._note  # type: ignore[method-assign]  # a look on
        for number in range(count):
            self.sender.send(oru(f"{name}{number % 50}", minutes=number))

    def run(self) -> None:
        while self.sender.pending:
            self.sender.pump(0.05)
        self.sender.close()

    def _note(self, answer: bytes) -> None:
        code, control_id = acknowledged(answer)
        if code == b"AE":
            self.postponed.add(control_id.decode())
        self._settle(answer)


def applied(name: str) -> list[str]:
    rows = InboundMessage.objects.filter(control_id__startswith=f"R01{name}", status="applied").order_by("id")
    return list(rows.values_list("control_id", flat=True))


def kill_things(stack: Stack, restart: Callable[[], None], is_over: Callable[[], bool]) -> Counter[str]:
    """Kill one thing after another for as long as messages flow; each comes back after a moment."""
    chance, killed = random.Random(5), Counter[str]()
    while not is_over():
        what = chance.choice(("queue", "postgres", "listener"))
        if what == "listener":
            restart()
        else:
            server = getattr(stack, what)
            server.kill()
            time.sleep(chance.uniform(0, 0.5))
            server.start()
        killed[what] += 1
        time.sleep(chance.uniform(0.2, 1.0))
    return killed


def test_what_is_acknowledged_is_applied_once_whatever_is_killed(
    manage: Callable[..., ManageProcess], stack: Stack
) -> None:
    port = free_port()
    listeners = [manage("listen_mllp", "--port", str(port))]
    listeners[0].wait_for('"listening"')
    worker = manage("consume_interconnect")
    threads = [WaryThread(port, name, MESSAGES // SENDERS) for name in "ABCD"]

    def restart_listener() -> None:
        listeners[-1].kill()
        listeners.append(manage("listen_mllp", "--port", str(port)))
        listeners[-1].wait_for('"listening"')

    for thread in threads:
        thread.start()
    killed = kill_things(stack, restart_listener, lambda: not any(thread.is_alive() for thread in threads))
    for server in (stack.queue, stack.postgres):
        if not server.is_running:
            server.start()
    listeners[-1].stop()
    worker.stop()
    drain()

    postponed = sum(len(thread.postponed) for thread in threads)
    print(f"killed {dict(killed)}; {postponed} of {MESSAGES} were answered AE at first")  # noqa: T201  pytest -s
    assert killed
    assert not InboxMessage.objects.exists()
    for thread, name in zip(threads, "ABCD", strict=True):
        sent = [f"R01{name}{number % 50}{number}" for number in range(MESSAGES // SENDERS)]
        arrived = applied(name)
        assert thread.sender.counts.accepted == len(sent)
        assert sorted(arrived) == sorted(sent)  # each of them once
        assert [c for c in arrived if c not in thread.postponed] == [c for c in sent if c not in thread.postponed]
