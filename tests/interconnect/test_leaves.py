"""A message's values are read and set one at a time; everything around them stays as it was sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interconnect.hl7.leaves import Leaves, Place
from interconnect.hl7.rejected import MessageRejected

TEXT = "MSH|^~\\&|EPIC|A\\T\\B\nPID|1||1^^^EPIC^MR~2^^^SSA&x^SS\nOBX|1|NM|8867-4^hr\nOBX|2|NM|6\nNTE|a\\.br\\b"
VALUES = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1)


def test_every_value_has_its_path() -> None:
    leaves = Leaves(TEXT)

    found = {str(place): leaves.get(place) for place in leaves}

    assert found == {
        "MSH-3.1": "EPIC",
        "MSH-4.1": "A&B",
        "PID-1.1": "1",
        "PID-3.1": "1",
        "PID-3.4": "EPIC",
        "PID-3.5": "MR",
        "PID-3[2].1": "2",
        "PID-3[2].4": "SSA",
        "PID-3[2].4.2": "x",
        "PID-3[2].5": "SS",
        "OBX-1.1": "1",
        "OBX-2.1": "NM",
        "OBX-3.1": "8867-4",
        "OBX-3.2": "hr",
        "OBX[2]-1.1": "2",
        "OBX[2]-2.1": "NM",
        "OBX[2]-3.1": "6",
        "NTE-1.1": "a\nb",
    }


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("OBX[2]-3.1", "8310-5", "OBX|2|NM|8310-5"),
        ("OBX[2]-6", "Cel", "OBX|2|NM|6|||Cel"),
        ("PID-3[2].4.2", "", "PID|1||1^^^EPIC^MR~2^^^SSA&^SS"),
        ("PID-3[3].5", "NH", "PID|1||1^^^EPIC^MR~2^^^SSA&x^SS~^^^^NH"),
        ("MSH-5.1", "us|them", "MSH|^~\\&|EPIC|A\\T\\B|us\\F\\them"),
    ],
)
def test_a_value_is_set_where_it_is_and_nowhere_else(path: str, value: str, line: str) -> None:
    leaves = Leaves(TEXT)

    leaves.set(Place.read(path), value)

    assert set(leaves.text.split("\n")) - set(TEXT.split("\n")) == {line}


@given(VALUES, st.sampled_from(list(Leaves(TEXT))))
def test_what_is_set_is_what_is_read(value: str, place: Place) -> None:
    leaves = Leaves(TEXT)
    before = {each: leaves.get(each) for each in leaves}

    leaves.set(place, value)

    assert {each: leaves.get(each) for each in leaves} == before | {place: value}


@given(st.text(st.sampled_from("|^~\\&FSTREX.brx0~\n"), max_size=20))
def test_an_escaped_value_is_read_as_it_was_meant(value: str) -> None:
    leaves = Leaves(TEXT)

    leaves.set(Place("NTE", 1, 1), value)

    assert leaves.get(Place("NTE", 1, 1)) == value


@pytest.mark.parametrize("path", ["PV1-3.1", "OBX[3]-5", "MSH-1", "MSH-2.1"])
def test_what_is_not_there_cannot_be_set(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be set"):
        Leaves(TEXT).set(Place.read(path), "x")


@pytest.mark.parametrize("path", ["", "PID", "PID-0", "pid-3", "PID-3.0", "PID-3.1.1.1", "PID[x]-3", "PID-1234"])
def test_what_is_no_place_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="written like"):
        Place.read(path)


def test_a_message_without_an_escape_character_takes_only_what_needs_none() -> None:
    leaves = Leaves("MSH|^|EPIC\nPID|1")

    leaves.set(Place.read("PID-5.2"), "a~b")

    assert leaves.text == "MSH|^|EPIC\nPID|1||||^a~b"
    with pytest.raises(ValueError, match="no escape character"):
        leaves.set(Place.read("PID-5.2"), "a^b")
    with pytest.raises(ValueError, match="no delimiter"):
        leaves.set(Place.read("PID-5[2]"), "a")


@pytest.mark.parametrize("text", ["", "PID|1", "MSH", "MSH|", "MSHA^~\\&", "MSH|^^"])
def test_what_has_no_delimiters_has_no_values(text: str) -> None:
    with pytest.raises(MessageRejected):
        Leaves(text)
