"""The probe that no engine answers in every case: docs/hl7-interface.md has the same table, with the reasons."""

import contextlib
import gzip
import json
import os
import random
import time
from pathlib import Path

import pytest

from epicops import keys
from epicops.redis_client import queue_client
from interconnect.models import RefusedFrame
from interconnect.wire.mllp import wrap
from tests.mllp import Door, Listener, OpenDoor, message, msa, queued

pytestmark = pytest.mark.django_db(transaction=True)

MARKS = b"\x0b\x1c\r\nM"  # of frames and segments; an M may begin a second MSH
M1, M2, M3 = message(1), message(2), message(3)
AA2 = ("AA", "00002")
ADT_ONLY = M1.replace(b"ADT^A01", b"ADT")
LATIN_1 = message(1, "||||||8859/1") + b"NTE|1||caf\xe9\r"

PROBE: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    # what: (bytes before a last good frame M2, answers before its AA)
    "pipelined": (wrap(M1) + wrap(M3), [("AA", "00001"), ("AA", "00003")]),
    "LF between frames": (wrap(M1) + b"\n\r\n", [("AA", "00001")]),
    "junk between frames": (wrap(M1) + b"noise", [("AA", "00001")]),
    "FS without CR": (wrap(M1)[:-1], [("AA", "00001")]),
    "no VT": (M1 + b"\x1c\r", [("AR", "00001")]),
    "VT inside a frame": (b"\x0b" + M3[:30] + wrap(M1), [("AA", "00001")]),
    "a stray FS": (wrap(M1) + b"\x1c\x1c\r", [("AA", "00001")]),
    "LF segments": (wrap(M1.replace(b"\r", b"\n")), [("AA", "00001")]),
    "CRLF segments": (wrap(M1.replace(b"\r", b"\r\n")), [("AA", "00001")]),
    "Latin-1": (wrap(LATIN_1), [("AA", "00001")]),
    "MSH-9 without event": (wrap(ADT_ONLY), [("AA", "00001")]),
    "prose": (wrap(b"hello"), [("AR", "")]),
    "empty": (wrap(b""), [("AR", "")]),
    "two MSH": (wrap(M1 + M3), [("AR", "00001")]),
    "a batch": (wrap(b"BHS|^~\\&|A\r" + M1 + b"BTS|1\r"), [("AR", "")]),
    "no MSH-10": (wrap(M1.replace(b"|00001|", b"||")), [("AR", "")]),
    "version 9.9": (wrap(M1.replace(b"2.5.1", b"9.9")), [("AA", "00001")]),
    "NE and NE": (wrap(message(1, "|||NE|NE")), []),
    "AL and NE": (wrap(message(1, "|||AL|NE")), [("CA", "00001")]),
    "an acknowledgment": (wrap(M1.replace(b"ADT^A01", b"ACK^A01")), []),
    "the same twice": (wrap(M1) + wrap(M1), [("AA", "00001"), ("AA", "00001")]),
    "40 MB": (wrap(M1 + bytes(40_000_000)), [("AR", "00001")]),
    "gzip in a frame": (wrap(gzip.compress(M1).translate(None, b"\x0b\x1c")), [("AR", "")]),
    "FHIR JSON": (wrap(json.dumps({"resourceType": "Bundle"}).encode()), [("AR", "")]),
    "XML v2": (wrap(b'<?xml version="1.0"?><ADT_A01 xmlns="urn:hl7-org:v2xml"/>'), [("AR", "")]),
    "UTF-16": (wrap(M1.decode().encode("utf-16")), [("AR", "")]),
}
REFUSED = [name for name, (_, answers) in PROBE.items() if any(code == "AR" for code, _ in answers)]


def rows() -> list[RefusedFrame]:
    deadline = time.monotonic() + 5
    while not (found := list(RefusedFrame.objects.order_by("id"))):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_every_row_of_the_probe_is_answered_rightly_and_the_connection_goes_on(door: Door) -> None:
    found = {name: door.connect().exchange(sent + wrap(M2), len(due) + 1) for name, (sent, due) in PROBE.items()}

    assert found == {name: [*answers, AA2] for name, (_, answers) in PROBE.items()}


def test_every_frame_the_probe_had_refused_is_a_row(door: Door) -> None:
    for name in REFUSED:
        door.connect().exchange(PROBE[name][0] + wrap(M2), len(PROBE[name][1]) + 1)
    door.stop()

    kept = RefusedFrame.objects.order_by("id")
    assert sum(row.repeats for row in kept) == len(REFUSED)
    assert {row.code for row in kept} == {"AR"}
    assert {row.peer for row in kept} == {"127.0.0.1"}
    assert all(bytes(row.answer).startswith(b"MSH|^~\\&|") for row in kept)


def test_random_cuts_and_junk_lose_nothing_and_keep_the_order(door: Door) -> None:
    for seed in range(20):
        send_randomly(door, random.Random(seed))
        queue_client().delete(keys.QUEUE)


def send_randomly(door: Door, chance: random.Random) -> None:
    sent = [message(number) + chance.randbytes(chance.randrange(300)).translate(None, MARKS) for number in range(60)]
    stream = b"".join(chance.randbytes(chance.randrange(20)).translate(None, MARKS) + wrap(raw) for raw in sent)
    sender = door.connect()

    while len(stream) > 2000:
        cut = chance.randrange(1, 2000)
        sender.socket.sendall(stream[:cut])
        stream = stream[cut:]
    answers = sender.exchange(stream, len(sent))

    assert answers == [("AA", f"{number:05}") for number in range(len(sent))]
    assert queued() == sent


def test_an_oversize_row_has_the_head_the_size_and_the_sender(open_door: OpenDoor) -> None:
    open_door(max_frame=2000).connect().exchange(wrap(M1 + b"x" * 100_000))

    row = rows()[0]
    assert (row.size, row.application, row.facility) == (len(M1) + 100_000, "A", "B")
    assert bytes(row.head) == (M1 + b"x" * 1024)[:1024]
    assert b"|207^" in bytes(row.answer)


@pytest.mark.parametrize(
    ("stream", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ("AR", "")),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), ("AR", "")),
        (gzip.compress(M1, mtime=0), ("AR", "")),
        (M1, ("AR", "00001")),  # no framing at all: answered once the sender falls silent
        (os.urandom(300_000).translate(None, b"\x0b\x1c\r\n"), ("AR", "")),
    ],
    ids=["HTTP", "TLS hello", "gzip", "bare HL7", "noise"],
)
def test_what_is_no_mllp_is_told_so_and_closed(door: Door, stream: bytes, answer: tuple[str, str]) -> None:
    sender = door.connect()
    sender.socket.sendall(stream)

    assert [msa(heard) for heard in sender.hear()] == [answer]
    assert rows()[0].head


def test_a_frame_without_an_end_is_asked_for_again(open_door: OpenDoor) -> None:
    sender = open_door(frame=0.3).connect()
    sender.socket.sendall(b"\x0b" + M1)

    assert [msa(heard) for heard in sender.hear()] == [("AE", "00001")]
    assert rows()[0].code == "AE"


def test_a_million_of_nothing_ends_with_few_rows_and_no_growth(listener: Listener) -> None:
    before = peak_memory(listener)
    for flood in (wrap(b""), b"\x1c", b"\x0b", b"x\x1c"):
        sender = listener.connect()
        with contextlib.suppress(OSError):  # the connection is closed while it sends
            for _ in range(100):
                sender.socket.sendall(flood * 10_000)

    assert listener.connect().exchange(wrap(M2)) == [AA2]
    growth = peak_memory(listener) - before
    listener.process.stop()
    assert RefusedFrame.objects.count() <= 130
    assert growth < 60_000


def test_a_refusal_is_logged_without_its_content(listener: Listener) -> None:
    listener.connect().exchange(wrap(b"Okafor 00427013"))

    listener.process.wait_for("frames refused")
    assert "Okafor" not in listener.process.stderr


def peak_memory(listener: Listener) -> int:
    """Return the most memory the process ever had, in kB."""
    lines = Path(f"/proc/{listener.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
