"""Several listeners of one process, each with its senders' policy."""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.core.management import CommandError

from interconnect.wire.listeners import read
from interconnect.wire.mllp import wrap
from tests.mllp import Sender, message, queued
from tests.processes import ManageProcess


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "listeners.toml"
    file.write_text(text)
    return file


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


def test_a_table_has_the_options_of_the_command(tmp_path: Path) -> None:
    lab, monitors = read(
        write(
            tmp_path,
            """
            [lab]
            port = 2576
            max-frame = 2000
            allow = ["10.0.0.0/8", "192.168.1.1"]
            sender = ["LAB", "POCT@ICU"]

            [monitors]
            """,
        )
    )

    assert (lab.port, lab.limits.max_frame, len(lab.limits.allowed)) == (2576, 2000, 2)
    assert lab.senders == {(b"LAB", b""), (b"POCT", b"ICU")}
    assert (monitors.port, monitors.senders) == (2575, frozenset())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("port = 1", "one table for each listener"),
        ("[lab]\nprot = 1", r"\[lab\].*--prot=1"),
        ("[lab]\nport = 'x'", r"\[lab\].*--port"),
        ("[lab]\nallow = ['x']", r"\[lab\].*--allow"),
        ("[lab]\ntls-cert = '/nowhere'", r"\[lab\].*cannot use /nowhere"),
        ("[lab", "cannot read"),
    ],
)
def test_a_mistake_is_named_with_its_table(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(CommandError, match=fault):
        read(write(tmp_path, text))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_each_port_keeps_its_own_policy(tmp_path: Path, manage: Callable[..., ManageProcess]) -> None:
    ports = free_ports(2)
    tables = "[any]\nport = {}\n[lab]\nport = {}\nsender = ['LAB']\nmax-frame = 200".format(*ports)
    process = manage("listen_mllp", "--config", str(write(tmp_path, tables)))
    process.wait_for(f'"port": {ports[1]}')
    anybody, lab = map(Sender, ports)
    from_lab = message(2).replace(b"|A|B|", b"|LAB|B|")

    found = [anybody.exchange(wrap(message(1))), lab.exchange(wrap(message(1))), lab.exchange(wrap(from_lab))]
    too_large = lab.exchange(wrap(from_lab + b"x" * 200))

    assert found == [[("AA", "00001")], [("AR", "00001")], [("AA", "00002")]]
    assert too_large == [("AR", "00002")]
    assert queued() == [message(1), from_lab]
    anybody.socket.close()
    lab.socket.close()
    assert process.stop() == 0
