"""Our parser agrees with python-hl7 on messages that Hypothesis makes up."""

from hypothesis import given
from hypothesis import strategies as st

from interconnect.hl7.er7 import parse
from tests.interconnect.test_er7_corpus import compare, oracle

TEXT = st.text(st.characters(exclude_characters="|^~\\&\r\n\0", exclude_categories=["Cc", "Cs", "Z"]), max_size=5)
ESCAPE = st.sampled_from([r"\F\ ", r"\S\ ", r"\T\ ", r"\R\ ", r"\E\ ", r"\X41\ ", r"\H\ ", r"\.br\ "]).map(str.strip)
VALUE = st.lists(TEXT | ESCAPE, max_size=3).map("".join)


def joined(parts: st.SearchStrategy[str], separator: str) -> st.SearchStrategy[str]:
    return st.lists(parts, min_size=1, max_size=3).map(separator.join)


FIELD = joined(joined(joined(VALUE, "&"), "^"), "~")
SEGMENT = st.tuples(st.sampled_from(["PID", "PV1", "OBX", "ZZZ"]), joined(FIELD, "|")).map("|".join)


@given(st.lists(SEGMENT, min_size=1, max_size=4))
def test_every_value_is_what_python_hl7_finds(segments: list[str]) -> None:
    text = "\r".join(["MSH|^~\\&|EPIC|EPICOPS|||20260302||ADT^A01|1|P|2.5.1||||||UNICODE UTF-8", *segments])

    message, tree = parse(text.encode()), oracle(text)

    assert sum(compare(*pair, message) for pair in zip(message.segments, tree, strict=True)) > 0
