import time
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from epicops.tls import server_context
from interconnect.management.commands.send_mllp import messages_in
from interconnect.wire.mllp import wrap
from tests.mllp import Door, OpenDoor, message, queued

pytestmark = pytest.mark.django_db(transaction=True)


def send(door: Door, *arguments: str) -> tuple[int, list[str]]:
    """Return the exit status and the lines of outcome."""
    out, status = StringIO(), 0
    try:
        call_command("send_mllp", *arguments, "--port", str(door.port), stdout=out, stderr=StringIO())
    except SystemExit as end:
        status = int(str(end.code))
    return status, out.getvalue().splitlines()


def test_a_folder_is_sent_in_the_order_of_its_names(door: Door, tmp_path: Path) -> None:
    for number in (2, 1, 3):
        (tmp_path / f"{number}.hl7").write_bytes(message(number))

    assert send(door, str(tmp_path), "--window", "2") == (0, ["AA 00001", "AA 00002", "AA 00003"])
    assert queued() == [message(1), message(2), message(3)]


def test_a_refusal_is_said_and_the_rest_is_sent(door: Door, tmp_path: Path) -> None:
    file = tmp_path / "two.hl7"
    file.write_bytes(message(1).replace(b"|00001|", b"||") + message(2))

    assert send(door, str(file)) == (1, ["AR ", "AA 00002"])


@pytest.mark.parametrize(
    "content",
    [
        message(1) + message(2),
        (message(1) + message(2)).replace(b"\r", b"\n"),
        (message(1) + message(2)).replace(b"\r", b"\r\n"),
        wrap(message(1)) + wrap(message(2)),
        b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + message(1) + message(2) + b"BTS|2\rFTS|1\r",
        b"\xef\xbb\xbf" + message(1) + b"\r\r" + message(2),
    ],
    ids=["CR", "LF", "CRLF", "framed", "batch", "BOM"],
)
def test_the_messages_of_a_file_are_found_however_it_is_written(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f").write_bytes(content)

    assert list(messages_in(tmp_path / "f")) == [message(1), message(2)]


def test_the_rate_is_kept(door: Door, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"".join(message(number) for number in range(6)))
    started = time.monotonic()

    assert send(door, str(tmp_path / "f"), "--rate", "10")[0] == 0
    assert len(queued()) == 6
    assert time.monotonic() - started >= 0.5


def test_what_is_answered_ae_is_sent_again_until_it_is_accepted(open_door: OpenDoor, tmp_path: Path) -> None:
    door = open_door(budget=0)  # frames that span two reads are asked for again
    large = message(1) + b"NTE|1||" + b"x" * 400_000 + b"\r"
    (tmp_path / "f").write_bytes(large + message(2))

    assert send(door, str(tmp_path / "f"), "--give-up", "1") == (1, ["-- 00001", "-- 00002"])
    assert queued() == []


def test_a_receiver_that_is_not_there_ends_with_an_error(door: Door, tmp_path: Path) -> None:
    door.stop()
    (tmp_path / "f").write_bytes(message(1))

    assert send(door, str(tmp_path / "f"), "--give-up", "0.3") == (1, ["-- 00001"])


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot read"):
        call_command("send_mllp", str(tmp_path / "none"))


def test_a_receiver_that_asks_for_a_certificate_is_shown_one(
    open_door: OpenDoor, certificate: str, tmp_path: Path
) -> None:
    door = open_door(tls=server_context(certificate, None, certificate))
    (tmp_path / "f").write_bytes(b"".join(message(number) for number in range(50)))
    window = ("--window", "25")

    status, lines = send(door, str(tmp_path / "f"), *window, "--tls-ca", certificate, "--tls-cert", certificate)

    assert (status, len(lines), len(queued())) == (0, 50, 50)
    assert send(door, str(tmp_path / "f"), "--tls-ca", certificate, "--give-up", "0.5")[0] == 1
