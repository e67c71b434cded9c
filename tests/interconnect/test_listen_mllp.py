import contextlib
import signal
import socket
import ssl
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from epicops.pki import Authority
from epicops.tls import client_context, server_context
from interconnect.models import RefusedFrame
from interconnect.wire.mllp import wrap
from tests.mllp import Door, Listener, OpenDoor, message, queued
from tests.processes import ManageProcess

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_pipelined_messages_are_queued_and_answered_in_order(door: Door) -> None:
    messages = [message(number) for number in range(50)]

    answers = door.connect().exchange(b"".join(map(wrap, messages)), 50)

    assert answers == [("AA", f"{number:05}") for number in range(50)]
    assert queued() == messages


def test_bytes_are_queued_as_they_came(door: Door) -> None:
    raw = message(1) + b"NTE|1||caf\xe9 \xff\x00 \\X0D0A\\\n\r\n"

    door.connect().exchange(wrap(raw))

    assert queued() == [raw]


def test_a_dribbled_message_is_accepted(door: Door) -> None:
    sender = door.connect()
    sender.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in wrap(message(1))[:-1]:
        sender.socket.send(bytes([byte]))

    assert sender.exchange(b"\r") == [("AA", "00001")]


def test_what_is_not_hl7_is_refused_between_good_messages(door: Door) -> None:
    stream = b"".join(map(wrap, [message(1), b"hello", b"", message(2), b"MSH|^~\\&|A|B|C|D|1||ADT^A01||P|2.5\r"]))

    answers = door.connect().exchange(stream, 5)

    assert answers == [("AA", "00001"), ("AR", ""), ("AR", ""), ("AA", "00002"), ("AR", "")]
    assert queued() == [message(1), message(2)]


def test_an_oversize_message_is_refused_and_the_connection_kept(open_door: OpenDoor) -> None:
    sender = open_door(max_frame=2000).connect()

    answers = sender.exchange(wrap(message(1) + b"x" * 100_000) + wrap(message(2)), 2)

    assert answers == [("AR", "00001"), ("AA", "00002")]
    assert queued() == [message(2)]


def test_a_frame_that_does_not_fit_into_memory_is_asked_for_again(open_door: OpenDoor) -> None:
    door = open_door(budget=200_000)
    greedy, modest = door.connect(), door.connect()
    greedy.socket.sendall(wrap(message(1) + b"x" * 500_000)[:-2])
    assert modest.exchange(wrap(message(2))) == [("AA", "00002")]

    assert greedy.exchange(b"\x1c\r") == [("AE", "00001")]
    assert greedy.exchange(wrap(message(1) + b"x" * 100_000)) == [("AA", "00001")]


def test_messages_that_want_no_answer_are_queued_in_silence(door: Door) -> None:
    silent = message(1, "|||NE|NE")

    answers = door.connect().exchange(wrap(silent) + wrap(message(2)))

    assert answers == [("AA", "00002")]
    assert queued() == [silent, message(2)]


def test_an_acknowledgment_is_never_acknowledged(door: Door) -> None:
    ack = message(1).replace(b"ADT^A01", b"ACK^A01")

    assert door.connect().exchange(wrap(ack) + wrap(message(2))) == [("AA", "00002")]


def test_a_quiet_connection_is_closed(open_door: OpenDoor) -> None:
    sender = open_door(idle=0.3).connect()

    assert sender.is_closed()


def test_a_frame_that_never_ends_is_cut_off_however_steadily_it_drips(open_door: OpenDoor) -> None:
    sender = open_door(frame=0.5).connect()
    sender.socket.sendall(b"\x0b")

    with pytest.raises(OSError, match=r"reset|[Bb]roken"):  # noqa: PT012  each byte may be the one
        for _ in range(50):
            sender.socket.sendall(b"x")
            time.sleep(0.1)


def test_connections_beyond_the_cap_are_closed(open_door: OpenDoor) -> None:
    door = open_door(connections=1)
    first = door.connect()
    first.exchange(wrap(message(1)))

    assert door.connect().is_closed()
    assert first.exchange(wrap(message(2))) == [("AA", "00002")]


def test_connections_of_one_peer_beyond_its_cap_are_closed_and_leave_a_row(open_door: OpenDoor) -> None:
    door = open_door(per_peer=1)
    first = door.connect()
    first.exchange(wrap(message(1)))

    assert door.connect().is_closed()
    first.socket.close()
    time.sleep(0.2)
    assert door.connect().exchange(wrap(message(2))) == [("AA", "00002")]
    door.stop()
    assert RefusedFrame.objects.get().reason == "too many connections of one peer"


@pytest.mark.parametrize(("allowed", "is_let_in"), [("10.0.0.0/8", False), ("127.0.0.0/8", True)])
def test_only_allowed_addresses_are_let_in(open_door: OpenDoor, allowed: str, *, is_let_in: bool) -> None:
    sender = open_door(allowed=(ip_network(allowed),)).connect()

    found: list[tuple[str, str]] = []
    with contextlib.suppress(ConnectionError):  # closed on what was sent meanwhile
        found = sender.exchange(wrap(message(1)))

    assert found == ([("AA", "00001")] if is_let_in else [])


@pytest.mark.parametrize(("has_certificate", "answers"), [(True, [("AA", "00001")]), (False, [])])
def test_tls_asks_for_a_client_certificate(
    open_door: OpenDoor, certificate: str, answers: list[tuple[str, str]], *, has_certificate: bool
) -> None:
    sender = open_door(tls=server_context(certificate, None, certificate)).connect()
    context = ssl.create_default_context(cafile=certificate)
    if has_certificate:
        context.load_cert_chain(certificate)

    found: list[tuple[str, str]] = []
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        sender.socket = context.wrap_socket(sender.socket, server_hostname="127.0.0.1")
        assert sender.socket.version() == "TLSv1.3"
        found = sender.exchange(wrap(message(1)))

    assert found == answers


def serial_number(door: Door, authority: Authority) -> int:
    """Deliver a message over TLS; return the number of the certificate that the door showed."""
    sender = door.connect()
    sender.socket = client_context(str(authority.certificate)).wrap_socket(sender.socket, server_hostname="127.0.0.1")
    assert sender.exchange(wrap(message(1))) == [("AA", "00001")]
    shown = sender.socket.getpeercert()
    assert shown is not None
    return int(str(shown["serialNumber"]), 16)


def test_a_renewed_certificate_is_shown_from_the_next_connection_on(open_door: OpenDoor, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.create("test CA")
    certificate, key = authority.issue("mllp", ["127.0.0.1"])
    door = open_door(tls=server_context(str(certificate), str(key), None))
    first = serial_number(door, authority)

    authority.issue("mllp", ["127.0.0.1"])
    second = serial_number(door, authority)
    key.write_text("half a key")

    assert second != first
    assert serial_number(door, authority) == second  # the last that could be used


class Clients:
    """Senders with a certificate each, who resume the sessions they had."""

    def __init__(self, receivers: Authority, **authorities: Authority) -> None:
        files = {name: map(str, authority.issue(name)) for name, authority in authorities.items()}
        self._contexts = {name: client_context(str(receivers.certificate), *pair) for name, pair in files.items()}
        self._sessions: dict[str, ssl.SSLSession | None] = {}

    def let_in(self, door: Door) -> set[str]:
        """Have each deliver a message; return those whose message was accepted."""
        return {name for name in self._contexts if self._deliver(door, name)}

    def _deliver(self, door: Door, name: str) -> bool:
        sender = door.connect()
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            sender.socket = connection = self._contexts[name].wrap_socket(
                sender.socket, server_hostname="127.0.0.1", session=self._sessions.get(name)
            )
            if sender.exchange(wrap(message(1))) == [("AA", "00001")]:
                self._sessions[name] = connection.session
                return True
        return False


def test_who_is_let_in_follows_the_cas_from_the_next_connection_on(open_door: OpenDoor, tmp_path: Path) -> None:
    former, new, trusted = Authority(tmp_path / "former"), Authority(tmp_path / "new"), tmp_path / "trusted.crt"
    for authority in (former, new):
        authority.create("test CA")
    of_former, of_new = (authority.certificate.read_text() for authority in (former, new))
    trusted.write_text(of_former)
    certificate, key = former.issue("mllp", ["127.0.0.1"])
    door = open_door(tls=server_context(str(certificate), str(key), str(trusted)))
    clients = Clients(former, ann=former, bob=new)
    assert clients.let_in(door) == {"ann"}

    trusted.write_text(of_former + of_new)
    assert clients.let_in(door) == {"ann", "bob"}
    trusted.write_text(of_new)
    assert clients.let_in(door) == {"bob"}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_listener_stops_at_once(listener: Listener, signum: int) -> None:
    sender = listener.connect()
    sender.exchange(wrap(message(1)))

    listener.process.signal(signum)

    assert sender.is_closed()
    assert listener.process.wait(5) == 0


def test_an_open_frame_is_finished_and_answered_before_the_end(listener: Listener) -> None:
    sender = listener.connect()
    sender.exchange(wrap(message(1)))
    sender.socket.sendall(wrap(message(2))[:20])
    time.sleep(0.2)

    listener.process.signal(signal.SIGTERM)
    time.sleep(0.2)

    assert sender.exchange(wrap(message(2))[20:]) == [("AA", "00002")]
    assert sender.is_closed()
    assert listener.process.wait(5) == 0


def test_a_second_signal_ends_the_process(listener: Listener) -> None:
    sender = listener.connect()
    sender.socket.sendall(b"\x0bMSH")
    time.sleep(0.2)

    listener.process.signal(signal.SIGTERM)
    time.sleep(0.2)
    listener.process.signal(signal.SIGTERM)

    assert listener.process.wait(2) == -signal.SIGTERM


def test_systemd_is_told_once_connections_are_taken(
    manage: Callable[..., ManageProcess], process_environment: dict[str, str], tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        process_environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        port = Listener(manage).port

        assert systemd.recv(200) == b"READY=1"
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_port_in_use_is_said_in_one_line(manage: Callable[..., ManageProcess]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = manage("listen_mllp", "--port", str(taken.getsockname()[1]))

        assert process.wait() == 1
        assert "cannot listen on 127.0.0.1" in process.stderr
        assert "Traceback" not in process.stderr
