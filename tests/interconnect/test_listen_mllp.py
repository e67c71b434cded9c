import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from epicops import keys
from epicops.embedded.stack import Stack
from epicops.redis_client import queue_client
from interconnect.mllp import READ_SIZE, Frame, Framer, wrap
from tests.processes import ManageProcess

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


class Listener:
    """A listener process on a port of its own, and connections to it."""

    def __init__(self, manage: Callable[..., ManageProcess], *arguments: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.process = manage("listen_mllp", "--port", str(self.port), *arguments)
        self.process.wait_for('"listening"')
        self._senders: list[Sender] = []

    def connect(self) -> "Sender":
        self._senders.append(Sender(self.port))
        return self._senders[-1]

    def hang_up(self) -> None:
        for sender in self._senders:
            sender.socket.close()


class Sender:
    """A raw socket, and the acknowledgments that came back on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._framer = Framer()

    def exchange(self, stream: bytes, answers: int = 1) -> list[tuple[str, str]]:
        """Send some bytes; return MSA-1 and MSA-2 of so many answers."""
        self.socket.sendall(stream)
        found: list[tuple[str, str]] = []
        while len(found) < answers and (data := self.socket.recv(READ_SIZE)):
            found += [msa(event.payload) for event in self._framer.feed(data) if isinstance(event, Frame)]
        return found

    def is_closed(self) -> bool:
        return self.socket.recv(1) == b""


def msa(ack: bytes) -> tuple[str, str]:
    segment = next(line for line in ack.decode("latin-1").split("\r") if line.startswith("MSA"))
    return segment.split("|")[1], segment.split("|")[2]


def message(number: int, more: str = "") -> bytes:
    return f"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|{number:05}|P|2.5.1{more}\rPID|1||000{number}\r".encode()


def queued() -> list[bytes]:
    """Messages on the list, in the order in which the worker takes them."""
    return queue_client().lrange(keys.QUEUE, 0, -1)[::-1]  # type: ignore[return-value]  # bytes: nothing decodes


Listen = Callable[..., Listener]


@pytest.fixture
def listen(manage: Callable[..., ManageProcess]) -> Iterator[Listen]:
    """Start a listener: `listen("--max-frame", "2000")`."""
    started: list[Listener] = []

    def start(*arguments: str) -> Listener:
        started.append(Listener(manage, *arguments))
        return started[-1]

    yield start
    for listener in started:
        listener.hang_up()


@pytest.fixture
def listener(listen: Listen) -> Listener:
    return listen()


def test_pipelined_messages_are_queued_and_answered_in_order(listener: Listener) -> None:
    messages = [message(number) for number in range(50)]

    answers = listener.connect().exchange(b"".join(map(wrap, messages)), 50)

    assert answers == [("AA", f"{number:05}") for number in range(50)]
    assert queued() == messages


def test_bytes_are_queued_as_they_came(listener: Listener) -> None:
    raw = message(1) + b"NTE|1||caf\xe9 \xff\x00 \\X0D0A\\\n\r\n"

    listener.connect().exchange(wrap(raw))

    assert queued() == [raw]


def test_a_dribbled_message_is_accepted(listener: Listener) -> None:
    sender = listener.connect()
    sender.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in wrap(message(1))[:-1]:
        sender.socket.send(bytes([byte]))

    assert sender.exchange(b"\r") == [("AA", "00001")]


def test_what_is_not_hl7_is_refused_between_good_messages(listener: Listener) -> None:
    stream = b"".join(map(wrap, [message(1), b"hello", b"", message(2), b"MSH|^~\\&|A|B|C|D|1||ADT^A01||P|2.5\r"]))

    answers = listener.connect().exchange(stream, 5)

    assert answers == [("AA", "00001"), ("AR", ""), ("AR", ""), ("AA", "00002"), ("AR", "")]
    assert queued() == [message(1), message(2)]


def test_a_refusal_is_logged_without_content(listener: Listener) -> None:
    listener.connect().exchange(wrap(b"Okafor 00427013"))

    listener.process.wait_for("does not begin with an MSH segment")
    assert "Okafor" not in listener.process.stderr


def test_an_oversize_message_is_refused_and_the_connection_kept(listen: Listen) -> None:
    sender = listen("--max-frame", "2000").connect()

    answers = sender.exchange(wrap(message(1) + b"x" * 100_000) + wrap(message(2)), 2)

    assert answers == [("AR", "00001"), ("AA", "00002")]
    assert queued() == [message(2)]


def test_messages_that_want_no_answer_are_queued_in_silence(listener: Listener) -> None:
    silent = message(1, "|||NE|NE")

    answers = listener.connect().exchange(wrap(silent) + wrap(message(2)))

    assert answers == [("AA", "00002")]
    assert queued() == [silent, message(2)]


def test_an_acknowledgment_is_never_acknowledged(listener: Listener) -> None:
    ack = message(1).replace(b"ADT^A01", b"ACK^A01")

    assert listener.connect().exchange(wrap(ack) + wrap(message(2))) == [("AA", "00002")]


def test_a_message_is_never_accepted_while_the_queue_is_away(listener: Listener, stack: Stack) -> None:
    sender = listener.connect()
    sender.exchange(wrap(message(1)))

    stack.queue.kill()
    away = sender.exchange(wrap(message(2)) + wrap(b"hello"), 2)
    stack.queue.start()
    answers = [sender.exchange(wrap(message(3)))[0]]
    while answers[-1][0] == "AE":  # until the breaker tries again
        time.sleep(0.1)
        answers += sender.exchange(wrap(message(3)))

    assert away == [("AE", "00002"), ("AR", "")]
    assert answers[-1] == ("AA", "00003")
    assert queued() == [message(1), message(3)]  # each write was on disk before its AA


def test_a_stalled_queue_is_no_acceptance(listener: Listener, stack: Stack) -> None:
    listener.connect().exchange(wrap(message(1)))
    queue_client().client_pause(8000, all=False)

    answers = listener.connect().exchange(wrap(message(2)))

    queue_client().client_unpause()
    assert answers == [("AE", "00002")]


def test_a_quiet_connection_is_closed(listen: Listen) -> None:
    sender = listen("--idle-timeout", "0.3").connect()

    assert sender.is_closed()


def test_a_frame_that_never_ends_is_cut_off_however_steadily_it_drips(listen: Listen) -> None:
    sender = listen("--idle-timeout", "0.5").connect()
    sender.socket.sendall(b"\x0b")

    with pytest.raises(OSError, match=r"reset|[Bb]roken"):  # noqa: PT012  each byte may be the one
        for _ in range(50):
            sender.socket.sendall(b"x")
            time.sleep(0.1)


def test_connections_beyond_the_cap_are_closed(listen: Listen) -> None:
    listener = listen("--max-connections", "1")
    first = listener.connect()
    first.exchange(wrap(message(1)))

    assert listener.connect().is_closed()
    assert first.exchange(wrap(message(2))) == [("AA", "00002")]


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


def test_a_port_in_use_is_said_in_one_line(manage: Callable[..., ManageProcess]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = manage("listen_mllp", "--port", str(taken.getsockname()[1]))

        assert process.wait() == 1
        assert "cannot listen on 127.0.0.1" in process.stderr
        assert "Traceback" not in process.stderr
