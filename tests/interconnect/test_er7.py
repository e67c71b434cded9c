"""The hot path's parser: values, delimiters, line ends, character sets, and what it refuses."""

import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interconnect.hl7.er7 import (
    HEADER_LENGTHS,
    MAX_BYTES,
    MAX_SEGMENTS,
    NULL,
    Header,
    Message,
    Segment,
    parse,
    peek_header,
)
from interconnect.hl7.rejected import MessageRejected
from interconnect.models import InboundMessage
from tests.messages import ADT_A01, ADT_OF_1990, BATCH, ODD_DELIMITERS, ORU_R01, er7

MSH = r"MSH|^~\&|EPIC|EPICOPS|||20251230220000||ADT^A01|1|P|2.5.1"


def segment(text: str, name: str = "PID", msh: str = MSH) -> Segment:
    found = parse(er7(msh, text, "ZZZ|1", encoding="utf-8")).first(name)
    assert found
    return found


def value(text: str, msh: str = MSH) -> str:
    """What PID-1 says when this is sent in it."""
    return segment(f"PID|{text}", msh=msh).get(1)


def rejection(raw: bytes) -> MessageRejected:
    with pytest.raises(MessageRejected) as caught:
        parse(raw)
    return caught.value


def with_charset(charset: str, body: bytes) -> bytes:
    return f"{MSH}||||||{charset}\rPID|".encode() + body


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ((3,), "00427013"),
        ((3, 4), "EPIC"),
        ((3, 1, 1, 2), "999001"),
        ((3, 5, 1, 2), "SS"),
        ((3, 1, 1, 3), ""),
        ((3, 9), ""),
        ((3, 1, 2), ""),
        ((4,), ""),
        ((99,), ""),
        ((1, 2), ""),
    ],
)
def test_a_value_is_found_by_its_position_and_absent_ones_are_empty(position: tuple[int, ...], expected: str) -> None:
    pid = parse(ADT_A01).first("PID")

    assert pid
    assert pid.get(*position) == expected


def test_subcomponents_are_read() -> None:
    location = segment("PV1|1|I|MED^427^A^EPICOPS&1.2.3&ISO", "PV1")

    assert [location.get(3, 4, part) for part in (1, 2, 3, 4)] == ["EPICOPS", "1.2.3", "ISO", ""]


@pytest.mark.parametrize(("text", "count"), [("PID|1||a~b~", 3), ("PID|1||a", 1), ("PID|1||", 0), ("PID|1", 0)])
def test_repetitions_are_counted(text: str, count: int) -> None:
    assert segment(text).repetitions(3) == count


def test_the_header_counts_its_separator_as_field_one() -> None:
    header = parse(ADT_A01).header

    assert (header.get(1), header.get(2), header.get(3)) == ("|", r"^~\&", "EPIC")
    assert (header.repetitions(1), header.repetitions(2), header.repetitions(8)) == (1, 1, 0)


def test_segments_are_found_by_name_in_order() -> None:
    message = parse(ORU_R01)

    assert [segment.name for segment in message.segments] == ["MSH", "PID", "PV1", "OBR", *["OBX"] * 4]
    assert [observation.get(5) for observation in message.all("OBX")[:3]] == ["78", "120", "80"]
    assert message.first("NK1") is None


def test_a_segment_with_a_longer_name_is_another_segment() -> None:
    message = parse(er7(MSH, "PIDX|other", "pid|1"))

    assert [segment.name for segment in message.segments] == ["MSH", "PIDX", "PID"]
    assert [pid.get(1) for pid in message.all("PID")] == ["1"]


def test_null_is_not_empty() -> None:
    assert (value('""'), value("")) == (NULL, "")


def test_the_message_says_what_it_is() -> None:
    message = parse(ADT_A01)

    assert (message.message_type, message.control_id, message.version) == ("ADT^A01", "1000427", "2.5.1")
    assert (message.sending_application, message.sending_facility, message.processing_id) == ("EPIC", "EPICOPS", "P")


def test_the_event_of_an_old_sender_is_in_evn() -> None:
    assert parse(ADT_OF_1990).message_type == peek_header(ADT_OF_1990).message_type == "ADT^A01"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r", "\n\n\r", " \r", "\t \r\n", "\r  \r"])
def test_every_line_end_ends_a_segment(end: str) -> None:
    message = parse(ADT_A01.replace(b"\r", end.encode()))

    assert [segment.name for segment in message.segments] == ["MSH", "EVN", "PID", "PV1", "ZEP"]
    assert message.version == "2.5.1"


@pytest.mark.parametrize("around", [(b"\xef\xbb\xbf", b""), (b"\x0b", b"\x1c\r"), (b"\r\n \x0b\xef\xbb\xbf", b"\n")])
def test_framing_and_byte_order_mark_are_dropped(around: tuple[bytes, bytes]) -> None:
    assert parse(around[0] + ADT_A01 + around[1]).control_id == "1000427"


@pytest.mark.parametrize("character", ["\x0c", "\x0b", "\x85", "\x1c", "\u2028"])
def test_other_separators_of_lines_are_text(character: str) -> None:
    assert value(f"a{character}b{character}") == f"a{character}b{character}"


def test_delimiters_are_those_the_message_declares() -> None:
    message = parse(ODD_DELIMITERS)
    pid = message.first("PID")

    assert pid
    assert message.message_type == "ADT^A01"
    assert [pid.get(3, 5), pid.get(3, 1, 1, 2), pid.get(4), pid.get(5)] == ["MR", "8", "A", "Oka:for"]


def test_a_delimiter_left_out_is_not_in_use() -> None:
    pid = segment(r"PID|A & B\T\^C~D", msh="MSH|^|EPIC")

    assert (pid.get(1), pid.get(1, 2), pid.repetitions(1)) == (r"A & B\T" + "\\", "C~D", 1)


@pytest.mark.parametrize(
    "start", ["MSH", "MSH|", "MSH||", "MSH|^^", r"MSH|^~\&#!|", "MSH|a|", "MSHello world", "MSH |^"]
)
def test_impossible_delimiters_are_refused(start: str) -> None:
    assert rejection(er7(start, "PID|1")).error_class == "bad-delimiters"


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (r"\F\\S\\T\\R\\E" + "\\", "|^&~\\"),
        (r"one\.br\two", "one\ntwo"),
        (r"one\.sp3\two\.sp\three", "one\n\n\ntwo\nthree"),
        (r"\H\bold\N" + "\\", "bold"),
        (r"\X41\\X4243" + "\\", "ABC"),
        (r"caf\XC3A9\ \XC3\\XA9" + "\\", "café é"),
        (r"\X0D0A" + "\\", "\r\n"),
    ],
)
def test_escapes_are_decoded(sent: str, meant: str) -> None:
    assert value(sent) == meant


@pytest.mark.parametrize(
    "text",
    [
        r"4\5 re. Schulter",
        r"C:\Users\x dose 4\5 mg",
        r"a\.brx\b",
        r"a\.sp300000000\b",
        r"a\.sp-1\b",
        r"\Z99\ \C2842\ \M824041\ \Q" + "\\",
        r"\X4\ \XZZ\ \X" + "\\",
        r"\X00" + "\\",
        r"\XFF" + "\\",
        "\\",
        "\\\\",
        r"\P" + "\\",
    ],
)
def test_what_is_no_known_escape_stays_as_it_is(text: str) -> None:
    assert value(text) == text


def test_the_truncation_character_can_be_escaped() -> None:
    assert value(r"cut\P" + "\\", msh=r"MSH|^~\&#|EPIC") == "cut#"


def test_an_unknown_escape_does_not_hide_the_next() -> None:
    assert value(r"4\5 mg \S\ 2") == "4\\5 mg ^ 2"


def test_escapes_cannot_fill_memory() -> None:
    pid = segment("PID|" + "\\.sp99\\" * 2000)

    assert pid.get(1) == "\n" * 99_990 + "\\.sp99\\" * 990


@pytest.mark.parametrize(
    ("declared", "sent", "text"),
    [
        ("", "Müller".encode(), "Müller"),
        ("ASCII", "Müller".encode(), "Müller"),
        ("UNICODE UTF-8", "李".encode(), "李"),
        ("8859/1", "Müller".encode("latin-1"), "Müller"),
        ("8859/2", "Łódź".encode("iso8859_2"), "Łódź"),
        ("8859/15", "€".encode("iso8859_15"), "€"),
        ("~ISO IR87", "山田^太郎".encode("iso2022_jp"), "山田"),
        ("GB 18030-2000", "李明".encode("gb18030"), "李明"),
        ("BIG-5", "許功蓋".encode("big5"), "許功蓋"),
        ("ISO IR 999", "é".encode(), "é"),
        ("8859/1", rb"caf\XE9" + b"\\", "café"),
    ],
)
def test_text_is_in_the_declared_character_set_or_utf_8(declared: str, sent: bytes, text: str) -> None:
    message = parse(with_charset(declared, sent))

    assert message.all("PID")[0].get(1) == text
    assert not message.is_charset_guessed


def test_bytes_in_no_known_character_set_are_refused() -> None:
    assert rejection(with_charset("", b"M\xfcller")).error_class == "bad-charset"
    assert rejection(with_charset("UNICODE UTF-8", b"M\xfcller")).path == "MSH-18"


@pytest.mark.parametrize("declared", ["", "UNICODE UTF-8", "ISO IR 999"])
def test_the_configured_fallback_is_marked_as_a_guess(declared: str) -> None:
    message = parse(with_charset(declared, b"M\xfcller \x80"), fallback="cp1252")

    assert (message.all("PID")[0].get(1), message.is_charset_guessed) == ("Müller €", True)


@pytest.mark.parametrize(
    ("raw", "error_class"),
    [
        (b"", "not-hl7"),
        (b"\r\n", "not-hl7"),
        (b"\x00", "not-hl7"),
        (b"ADT^A01|Patient admitted", "not-hl7"),
        (ADT_A01.replace(b"Amaka", b"Am\0ka"), "nul-byte"),
        (ADT_A01 + ORU_R01, "several-messages"),
        (BATCH, "several-messages"),
        (ADT_A01.decode().encode("utf-16"), "bad-charset"),
        (ADT_A01.decode().encode("utf-16-be"), "bad-charset"),
        (b"\x1f\x8b\x08\x00MSH|", "not-hl7"),
        (ADT_A01 + b"x" * MAX_BYTES, "too-large"),
        (ADT_A01 + b"OBX|1\r" * MAX_SEGMENTS, "too-many-segments"),
    ],
)
def test_what_is_not_one_message_is_refused(raw: bytes, error_class: str) -> None:
    error = rejection(raw)

    assert error.error_class == error_class
    assert error.code in {"100", "102", "207"}
    assert "Amaka" not in str(error)


def read_all(message: Message) -> None:
    for line in message.segments:
        for field in range(len(line.fields)):
            line.get(field)
            line.get(field, 2, 2, line.repetitions(field))


@given(
    st.one_of(st.binary(), st.binary().map(lambda junk: b"MSH|^~\\&|A\rPID|" + junk), st.binary().map(b"MSH".__add__))
)
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    assert all(text.isprintable() for text in peek_header(raw))

    with suppress(MessageRejected):
        read_all(parse(raw, fallback="latin-1"))


PUNCTUATION = st.permutations(string.punctuation.replace('"', "")).map(lambda marks: marks[:5])
VALUES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=8)


@given(PUNCTUATION, st.lists(st.lists(VALUES, min_size=1, max_size=3), min_size=1, max_size=3))
def test_any_values_in_any_delimiters_come_back(marks: list[str], repetitions: list[list[str]]) -> None:
    field, component, repetition, escape, subcomponent = marks
    codes = dict(zip(marks, "FSRET", strict=True))

    def escaped(text: str) -> str:
        return "".join(f"{escape}{codes[mark]}{escape}" if mark in codes else mark for mark in text)

    sent = repetition.join(component.join(map(escaped, components)) for components in repetitions)
    header = f"MSH{field}{component}{repetition}{escape}{subcomponent}{field}EPIC"

    pid = parse(er7(header, f"PID{field}{sent}", encoding="utf-8")).all("PID")[0]

    assert pid.repetitions(1) == len(repetitions)
    for number, components in enumerate(repetitions, 1):
        assert [pid.get(1, part, repetition=number) for part in range(1, len(components) + 1)] == components


@pytest.mark.parametrize(
    "raw",
    [
        ADT_A01,
        ADT_A01 + ORU_R01,
        BATCH,
        ADT_A01.replace(b"Amaka", b"Am\0k\xff"),
        ADT_A01.replace(b"\r", b"\n"),
        b"stray" + ADT_A01,
        ADT_A01 + b"OBX|1\r" * (MAX_SEGMENTS + 1),
    ],
)
def test_the_header_is_known_even_of_a_message_that_is_refused(raw: bytes) -> None:
    assert peek_header(raw) == Header("ADT^A01", "1000427", "EPIC", "EPICOPS")


@pytest.mark.parametrize("raw", [b"", b"MSH", b"MSH\r", b"MSHello world", b"\0MSX", b"PID|1"])
def test_no_header_is_empty(raw: bytes) -> None:
    assert peek_header(raw) == Header()


def test_the_header_fits_its_columns() -> None:
    long = "x" * 300
    raw = er7(rf"MSH|^~\&|{long}^1|a{chr(0)}b{chr(27)}|||1||ADT^{long}|{long}|P|2.5")

    assert peek_header(raw) == Header(f"ADT^{'x' * 16}", "x" * 199, "x" * 227, "ab")
    columns = {field.name: field.max_length for field in InboundMessage._meta.concrete_fields}
    assert tuple(columns[name] for name in Header._fields) == HEADER_LENGTHS
