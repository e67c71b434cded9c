"""What a message looks like to an operator."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interconnect.finding.inspector import MAX_CHARACTERS, MAX_FIELDS, FieldRow, inspect
from interconnect.hl7.field_names import FIELD_NAMES, field_name
from tests.messages import ADT_A01, BATCH, ORU_R01, er7


def test_a_field_has_its_number_its_name_and_its_text() -> None:
    rows = {row.name: row.fields for row in inspect(ADT_A01)}

    assert list(rows) == ["MSH", "EVN", "PID", "PV1", "ZEP"]
    assert rows["MSH"][:3] == [
        FieldRow(1, "Field Separator", "|"),
        FieldRow(2, "Encoding Characters", r"^~\&"),
        FieldRow(3, "Sending Application", "EPIC"),
    ]
    assert FieldRow(3, "Patient Identifier List", "00427013^^^EPIC^MR~999001^^^SSA^SS") in rows["PID"]
    assert FieldRow(2, "", "free for the sender's use") in rows["ZEP"]


def test_empty_fields_are_left_out() -> None:
    assert [field.position for field in inspect(ADT_A01)[3].fields] == [1, 2, 3, 4, 10, 19]


@pytest.mark.parametrize("raw", [ADT_A01 + ORU_R01, BATCH, ADT_A01.replace(b"\r", b"\n") + b"NTE|\xff\0"])
def test_a_refused_message_is_still_shown_by_its_fields(raw: bytes) -> None:
    rows = inspect(raw)

    assert FieldRow(7, "Date/Time of Birth", "19610412") in next(row.fields for row in rows if row.name == "PID")


def test_what_could_hide_or_reorder_text_is_made_visible() -> None:
    rows = inspect(er7(r"MSH|^~\&|EPIC", "NTE|a\0b\x1b\u202ec\u200bd\x85", encoding="utf-8"))

    assert rows[1].fields[0].text == "a␀b␛[U+202E]c[U+200B]d[U+0085]"


def test_bytes_that_are_no_message_have_no_segments() -> None:
    assert inspect(b"\x1f\x8b\x08not HL7") == []


def test_nothing_makes_the_page_too_long() -> None:
    long = inspect(er7(r"MSH|^~\&|EPIC", f"OBX|{'x' * (MAX_CHARACTERS + 1000)}"))
    many = inspect(er7(r"MSH|^~\&|EPIC", *["OBX|1"] * (MAX_FIELDS + 1000)))
    wide = inspect(er7(r"MSH|^~\&|EPIC", "OBX" + "|1" * (MAX_FIELDS + 1000)))

    assert long[1].fields[0].text.endswith("x… (1,000 more characters)")
    assert many[-1].fields[0].text == "1,003 more segments"
    assert wide[-1].fields[-1].text == "1,003 more fields"


@given(st.one_of(st.binary(), st.binary().map(lambda junk: b"MSH|^~\\&|" + junk), st.binary().map(b"BHS".__add__)))
def test_any_bytes_can_be_inspected(raw: bytes) -> None:
    inspect(raw)


@pytest.mark.parametrize(("segment", "count"), [("MSH", 21), ("PID", 39), ("PV1", 52), ("OBR", 50), ("OBX", 25)])
def test_every_field_of_the_standard_has_its_name(segment: str, count: int) -> None:
    assert len(FIELD_NAMES[segment]) == count
    assert field_name(segment, count)
    assert field_name(segment, count + 1) == field_name("ZZZ", 1) == ""
