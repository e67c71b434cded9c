"""Our parser agrees with python-hl7 on real messages of public projects, where they lie beside the checkout."""

import re
from collections.abc import Iterator
from typing import Any

import hl7
import pytest
from hl7.util import unescape

from interconnect.hl7.er7 import Message, Segment, parse
from tests.processes import PROJECT

CORPUS = PROJECT.parent / "shared" / "hl7"

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the corpus of real HL7 messages is not beside this checkout"
)

# Escapes that python-hl7 0.4.5 reads otherwise than the standard: it drops unknown ones and what follows an unclosed
# one, decodes \X..\ to code points, and knows no truncation character. \H\, \N\, \.br\ and \.sp\ are told to it.
APPLICATION_ESCAPES = {"H": "", "N": "", ".br": "\n", ".sp": "\n"}
KNOWN_TO_BOTH = re.compile(r"(?:[^\\]|\\(?:[FSTREHN]|\.br|\.sp\d?|X[0-7][0-9A-F])\\)*")
# Left out: python-hl7 0.4.5 repeats a bare header as its own first field, and takes the second of two escape characters
# (a string literal that nobody unescaped) for the subcomponent separator where we refuse the message.
LEFT_OUT = re.compile(rb"MSH\|\^~$|MSH\|\^~\\\\&\|")


def messages() -> Iterator[tuple[str, bytes]]:
    """Each message of each file, with a name; line ends normalised by the rule of section 2.5 and not by our code."""
    for path in sorted(CORPUS.glob("*/**/*")):
        if path.is_file():
            content = re.sub(rb"[ \t]*(?:\r|\n)+", b"\r", path.read_bytes().strip(b"\xef\xbb\xbf\x0b\x1c\r\n"))
            parts = re.split(rb"(?:^|\r)(?=(?:MSH|FHS|BHS|BTS|FTS).)", content)
            yield from ((str(path), part.strip(b"\r")) for part in parts if part.startswith(b"MSH"))


def oracle(text: str) -> list[list[list[list[list[str]]]]]:
    """Python-hl7's tree as segments, fields, repetitions, components and subcomponents."""

    def level(node: Any, kind: type[list[Any]]) -> list[Any]:
        return node if isinstance(node, kind) else [node]

    return [
        [
            [
                [[str(text) for text in level(part, hl7.Component)] for part in level(repetition, hl7.Repetition)]
                for repetition in field
            ]
            for field in segment
        ]
        for segment in hl7.parse(text)
    ]


def expected(text: str, message: Message) -> str | None:
    """What python-hl7 makes of a value; None where it is known to be wrong."""
    if not KNOWN_TO_BOTH.fullmatch(text):
        return None
    encoding = message.encoding
    separators = "\r" + encoding.field + encoding.repetition + encoding.component + encoding.subcomponent
    container = hl7.Container(separators[1], esc=encoding.escape, separators=separators)
    return str(unescape(container, text, APPLICATION_ESCAPES))


def compare(segment: Segment, tree: list[list[list[list[str]]]], message: Message) -> int:
    """Compare every value of a segment; return how many there were."""
    compared = 0
    assert len(segment.fields) == len(tree)
    for field, repetitions in enumerate(tree[1:], 1):
        if segment.name == "MSH" and field <= 2:
            assert segment.get(field) == repetitions[0][0][0]
            continue
        assert segment.repetitions(field) == (len(repetitions) if segment.fields[field] else 0)
        for repetition, components in enumerate(repetitions, 1):
            for component, subcomponents in enumerate(components, 1):
                for subcomponent, text in enumerate(subcomponents, 1):
                    wanted = expected(text, message)
                    assert wanted is None or segment.get(field, component, subcomponent, repetition) == wanted
                    compared += wanted is not None
    return compared


def decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def test_every_value_of_every_message_is_what_python_hl7_finds() -> None:
    count = compared = 0
    for name, raw in messages():
        if LEFT_OUT.match(raw):
            continue
        message, tree = parse(raw, fallback="latin-1"), oracle(decoded(raw))
        assert [segment.name for segment in message.segments] == [fields[0][0][0][0].upper() for fields in tree], name
        compared += sum(compare(*pair, message) for pair in zip(message.segments, tree, strict=True))
        count += 1

    assert (count, compared) > (580, 100_000)
