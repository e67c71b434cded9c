import re
from datetime import UTC, datetime, timedelta

import hl7
import pytest

from interconnect.wire.ack import Error, acknowledge, header, reply

ADT = b"MSH|^~\\&|EPIC|HOSP|OPS|RECV|20240102030405||ADT^A01^ADT_A01|00MSG-7|T|2.5.1||||||8859/1\rPID|1\r"
ERROR = Error("101", "MSH-10 is empty", ("MSH", "1", "10"))


def fields(segment: bytes, separator: bytes = b"|") -> list[bytes]:
    return segment.split(separator)


def segments(ack: bytes) -> dict[bytes, bytes]:
    return {segment[:3]: segment for segment in ack.split(b"\r")[:-1]}


def test_sender_and_receiver_change_places() -> None:
    msh = fields(segments(acknowledge(ADT, "AA"))[b"MSH"])

    assert msh[2:6] == [b"OPS", b"RECV", b"EPIC", b"HOSP"]


def test_processing_id_version_and_charset_come_back_as_received() -> None:
    msh = fields(segments(acknowledge(ADT, "AA"))[b"MSH"])

    assert (msh[10], msh[11], msh[17]) == (b"T", b"2.5.1", b"8859/1")


def test_the_type_names_the_trigger_event() -> None:
    assert fields(segments(acknowledge(ADT, "AA"))[b"MSH"])[8] == b"ACK^A01^ACK"


def test_a_message_without_a_trigger_event_gets_one_without() -> None:
    assert fields(segments(acknowledge(ADT.replace(b"ADT^A01^ADT_A01", b"ADT"), "AA"))[b"MSH"])[8] == b"ACK^ACK"


def test_the_time_carries_its_offset() -> None:
    stamp = fields(segments(acknowledge(ADT, "AA"))[b"MSH"])[6].decode()

    assert abs(datetime.strptime(stamp, "%Y%m%d%H%M%S%z") - datetime.now(UTC)) < timedelta(seconds=5)


def test_each_acknowledgment_has_its_own_control_id() -> None:
    ids = {fields(segments(acknowledge(ADT, "AA"))[b"MSH"])[9] for _ in range(100)}

    assert len(ids) == 100
    assert all(re.fullmatch(rb"\w{1,20}", control_id) for control_id in ids)


@pytest.mark.parametrize("control_id", [b"1", b"a^b~c\\&d", b"\xe9\xff\x00", b" 7 ", b"\\F\\"])
def test_the_control_id_comes_back_byte_for_byte(control_id: bytes) -> None:
    ack = acknowledge(b"MSH|^~\\&|A|B|C|D|1||ADT^A01|" + control_id + b"|P|2.5\r\xff\xfe", "AA")

    assert segments(ack)[b"MSA"] == b"MSA|AA|" + control_id


def test_the_senders_delimiters_are_used() -> None:
    ack = acknowledge(b"MSH#*~!$#A#B#C#D#1##ADT*A08#9#P#2.5", "AR", error=ERROR)

    assert b"ACK*A08*ACK" in ack
    assert ack.endswith(b"MSA#AR#9\rERR##MSH*1*10#101*Required field missing*HL70357#E####MSH-10 is empty\r")


@pytest.mark.parametrize("encoding", [b"", b"^^\\&", b"ABCD", b"^~\\&#!"])
def test_unusable_encoding_characters_are_replaced_by_the_usual_ones(encoding: bytes) -> None:
    ack = acknowledge(b"MSH|" + encoding + b"|A|B|C|D|1||ADT^A01|9|P|2.5", "AA")

    assert ack.startswith(b"MSH|^~\\&|C|D|A|B|")
    assert ack.endswith(b"MSA|AA|9\r")


def test_an_error_names_place_code_and_text() -> None:
    assert segments(acknowledge(ADT, "AR", error=ERROR))[b"ERR"] == (
        b"ERR||MSH^1^10|101^Required field missing^HL70357|E||||MSH-10 is empty"
    )


@pytest.mark.parametrize("version", [b"2.1", b"2.3.1", b"2.4"])
def test_versions_before_2_5_get_the_old_error_segment(version: bytes) -> None:
    ack = acknowledge(ADT.replace(b"2.5.1", version), "AR", error=ERROR)

    assert segments(ack)[b"ERR"] == b"ERR|MSH^1^10^101&Required field missing&HL70357"


def test_delimiters_cannot_enter_through_the_error_text() -> None:
    ack = acknowledge(b"MSH-^~\\&-A-B-C-D-1--ADT^A01-9-P-2.5", "AR", error=ERROR)

    assert fields(segments(ack)[b"ERR"], b"-")[8:] == [b"MSH 10 is empty"]


@pytest.mark.parametrize(
    "raw", [b"", b"MSH", b"MSH|", b"hello", b"MSHello world", b"\x1f\x8b\x08gzip", "MSH|^~\\&|".encode("utf-16")]
)
def test_what_is_not_hl7_is_refused_in_readable_hl7(raw: bytes) -> None:
    ack = hl7.parse(acknowledge(raw, "AR", error=ERROR).decode())

    assert header(raw) is None
    assert [str(ack.segment("MSA")), str(ack.segment("MSH")[12])] == ["MSA|AR|", "2.5.1"]


@pytest.mark.parametrize("prefix", [b"\xef\xbb\xbf", b"\r\n", b"  "])
def test_padding_before_the_header_does_not_hide_it(prefix: bytes) -> None:
    assert segments(acknowledge(prefix + ADT, "AA"))[b"MSA"] == b"MSA|AA|00MSG-7"


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_the_header_ends_with_its_line(end: bytes) -> None:
    assert segments(acknowledge(b"MSH|^~\\&|A|B|C|D|1||ADT^A01|77" + end + b"PID|1", "AA"))[b"MSA"] == b"MSA|AA|77"


def asking(accept: str, application: str) -> bytes:
    return f"MSH|^~\\&|A|B|C|D|1||ADT^A01|9|P|2.5|||{accept}|{application}\r".encode()


@pytest.mark.parametrize(
    ("accept", "application", "stored", "failed"),
    [
        ("", "", b"AA", b"AE"),
        ("", "AL", b"AA", b"AE"),
        ("AL", "NE", b"CA", b"CE"),
        ("AL", "AL", b"CA", b"CE"),
        ("SU", "", b"CA", None),
        ("ER", "", None, b"CE"),
        ("NE", "", b"AA", b"AE"),
        ("NE", "AL", b"AA", b"AE"),
        ("NE", "SU", b"AA", None),
        ("NE", "ER", None, b"AE"),
        ("NE", "NE", None, None),
        ("XX", "YY", b"AA", b"AE"),
    ],
)
def test_senders_hear_what_they_asked_for(accept: str, application: str, stored: bytes, failed: bytes) -> None:
    answers = [reply(asking(accept, application), code) for code in ("AA", "AE")]

    codes = [answer and fields(segments(answer)[b"MSA"])[1] for answer in answers]
    assert codes == [stored, failed]


@pytest.mark.parametrize("raw", [ADT.replace(b"ADT^A01^ADT_A01", b"ACK^A01^ACK"), ADT.replace(b"PID|1", b"MSA|AA|1")])
def test_an_acknowledgment_is_never_acknowledged(raw: bytes) -> None:
    assert [reply(raw, code) for code in ("AA", "AE", "AR")] == [None, None, None]


def test_what_is_not_hl7_is_answered() -> None:
    assert reply(b"", "AR", error=ERROR) is not None
