"""The sender against a receiver of the test's own, which answers as it is told."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from interconnect.wire.ack import acknowledge
from interconnect.wire.mllp import READ_SIZE, Frame, Framer, wrap
from interconnect.wire.mllp_client import MLLPSender, acknowledged


class Receiver:
    """Accepts one connection at a time, and answers what has come when told to."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._connection: socket.socket | None = None
        self._framer = Framer()

    def receive(self, count: int) -> list[bytes]:
        """Return the next `count` messages, accepting a connection if there is none."""
        if self._connection is None:
            self._connection, _ = self._server.accept()
            self._framer = Framer()
        found: list[bytes] = []
        while len(found) < count:
            found += [
                event.payload
                for event in self._framer.feed(self._connection.recv(READ_SIZE))
                if isinstance(event, Frame)
            ]
        return found

    def answer(self, *answers: bytes) -> None:
        assert self._connection is not None
        self._connection.sendall(b"".join(map(wrap, answers)))

    def hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def close(self) -> None:
        self.hang_up()
        self._server.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def sender(receiver: Receiver) -> Iterator[MLLPSender]:
    sender = MLLPSender("127.0.0.1", receiver.port, window=3)
    yield sender
    sender.close()


def message(number: int) -> bytes:
    return f"MSH|^~\\&|A|B|C|D|1||ADT^A01|{number}|P|2.5.1\r".encode()


def pump_until(sender: MLLPSender, is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_done():
        assert time.monotonic() < deadline
        sender.pump(0.05)


def test_no_more_than_the_window_is_unanswered(sender: MLLPSender, receiver: Receiver) -> None:
    for number in range(5):
        sender.send(message(number))
    sender.pump(0)
    first = receiver.receive(3)

    receiver.answer(acknowledge(first[0], "AA"))
    pump_until(sender, lambda: sender.counts.accepted == 1)
    sender.pump(0)

    assert first == [message(0), message(1), message(2)]
    assert receiver.receive(1) == [message(3)]


def test_what_a_lost_connection_left_unanswered_is_resent_in_order(sender: MLLPSender, receiver: Receiver) -> None:
    for number in range(3):
        sender.send(message(number))
    sender.pump(0)
    first, *_ = receiver.receive(3)
    receiver.answer(acknowledge(first, "AA"))
    pump_until(sender, lambda: sender.counts.accepted == 1)

    receiver.hang_up()
    pump_until(sender, lambda: sender.counts.resent == 2)
    pump_until(sender, lambda: sender._socket is not None)

    assert receiver.receive(2) == [message(1), message(2)]


def test_an_error_is_resent_and_a_refusal_is_not(sender: MLLPSender, receiver: Receiver) -> None:
    for number in range(3):
        sender.send(message(number))
    sender.pump(0)
    answers = [acknowledge(raw, code) for raw, code in zip(receiver.receive(3), ("AE", "AR", "AA"), strict=True)]

    receiver.answer(*answers)
    pump_until(sender, lambda: sender.counts.resent == 1)
    pump_until(sender, lambda: len(sender._unanswered) == 1)

    assert receiver.receive(1) == [message(0)]
    assert (sender.counts.accepted, sender.counts.refused, sender.pending) == (1, 1, 1)


def test_an_answer_to_another_message_accepts_nothing(sender: MLLPSender, receiver: Receiver) -> None:
    sender.send(message(1))
    sender.pump(0)
    receiver.receive(1)

    receiver.answer(acknowledge(message(2), "AA"))
    pump_until(sender, lambda: sender.counts.resent == 1)

    assert (sender.counts.accepted, sender.pending) == (0, 1)


def test_a_receiver_that_is_not_there_yet_loses_nothing(receiver: Receiver) -> None:
    sender = MLLPSender("127.0.0.1", receiver.port)
    receiver.close()
    sender.send(message(1))

    for _ in range(3):
        sender.pump(0.01)

    assert (sender.counts.accepted, sender.pending) == (0, 1)


@pytest.mark.parametrize("answer", [b"", b"MSH|^~\\&|\rERR|x\r", b"MSA", b"MSA|"])
def test_an_answer_without_a_code_says_nothing(answer: bytes) -> None:
    assert acknowledged(answer) == (b"", b"")
