"""The encoding characters of one message and the escape sequences they make (HL7 v2.8 section 2.7)."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from interconnect.hl7.rejected import MessageRejected

NOT_IN_USE: Final = "\0"  # a character that no message contains: those with NUL bytes are refused
MAX_BLANK_LINES: Final = 99  # of one \.spN\; a larger N is text, not a way to fill memory
MAX_GROWTH: Final = 100_000  # characters that \.spN\ may add to one value; the rest stay as they are

# A run of hexadecimal escapes is one unit: a character may be spread over several. \C..\, \M..\ and \Z..\ are
# matched to be kept whole. Anything else, a lone escape character included, is text.
SEQUENCES: Final = (
    r"((?:{e}X(?:[0-9A-Fa-f][0-9A-Fa-f])+{e})+)"
    r"|{e}([A-Z]|\.[a-z][a-z][+-]?[0-9]*|[CMZ][0-9A-Za-z]+){e}"
)


class Encoding:
    """How one message is written: its delimiters (NOT_IN_USE where MSH-2 leaves one out) and its character set.

    Made by `encoding_of`, which shares one instance between all messages written alike.
    """

    __slots__ = (
        "_escapes",
        "_pattern",
        "_replacements",
        "codec",
        "component",
        "escape",
        "field",
        "repetition",
        "subcomponent",
    )

    def __init__(self, field: str, characters: str, codec: str) -> None:
        self.field = field
        marks = list(characters.ljust(5, NOT_IN_USE))
        self.component, self.repetition, self.escape, self.subcomponent, truncation = marks
        self.codec = codec
        delimiters = {
            "F": field,
            "S": self.component,
            "T": self.subcomponent,
            "R": self.repetition,
            "E": self.escape,
            "P": truncation,
        }
        self._replacements: dict[str, str] = {
            code: character for code, character in delimiters.items() if character != NOT_IN_USE
        }
        self._escapes = {ord(mark): f"{self.escape}{code}{self.escape}" for code, mark in self._replacements.items()}
        self._escapes[ord("\n")] = f"{self.escape}.br{self.escape}"
        self._replacements.update({"H": "", "N": "", ".br": "\n"})
        self._pattern = re.compile(SEQUENCES.format(e=re.escape(self.escape)))

    def unescape(self, text: str) -> str:
        """Return the text meant: known escape sequences replaced, everything else as it stands."""
        return self._pattern.sub(self._replacer(), text)

    def escaped(self, text: str) -> str:
        """Return how the text is written in this message; ValueError where that needs the escape MSH-2 leaves out."""
        if self.escape == NOT_IN_USE:
            if not self._escapes.keys().isdisjoint(map(ord, text)):
                raise ValueError("The message declares no escape character (MSH-2)")
            return text
        return text.translate(self._escapes)

    def _replacer(self) -> Callable[[re.Match[str]], str]:
        growth = 0

        def replace(match: re.Match[str]) -> str:
            nonlocal growth
            sequence: str = match[0]
            hexadecimal, code = match.groups()
            if hexadecimal:
                return self._characters(hexadecimal) or sequence
            if code.startswith(".sp"):
                growth += (lines := _blank_lines(code[3:]))
                return "\n" * lines if lines and growth <= MAX_GROWTH else sequence
            return self._replacements.get(code, sequence)

        return replace

    def _characters(self, hexadecimal: str) -> str:
        r"""Decode a run of \Xhh..\ in the message's character set; empty where that cannot be."""
        characters = bytes.fromhex(hexadecimal.replace(f"{self.escape}X", "").replace(self.escape, ""))
        try:
            text = characters.decode(self.codec)
        except UnicodeDecodeError:
            return ""
        return "" if "\0" in text else text  # PostgreSQL's text has no U+0000


def _blank_lines(number: str) -> int:
    r"""Return N of \.spN\, which is 1 where absent and 0 where it is not one we follow."""
    if not number:
        return 1
    return int(number) if number.isdecimal() and len(number) <= len(str(MAX_BLANK_LINES)) else 0


def is_delimiter(character: str) -> bool:
    """Whether this can delimit: an ASCII punctuation mark, not a letter, digit, blank or control character."""
    return "!" <= character <= "~" and not character.isalnum()


@lru_cache(maxsize=64)
def encoding_of(field: str, characters: str, codec: str) -> Encoding:
    """Return the encoding that MSH-1 and MSH-2 declare; MSH-2 may stop early, what it leaves out is not in use."""
    for delimiter in (field, *characters):
        if not is_delimiter(delimiter):
            raise MessageRejected("bad-delimiters", "A delimiter is not a punctuation mark", path="MSH-2", code="102")
    if not 1 <= len(characters) <= 5:  # noqa: PLR2004  component, repetition, escape, subcomponent, truncation
        raise MessageRejected("bad-delimiters", "MSH-2 does not have 1 to 5 characters", path="MSH-2", code="102")
    if len({field, *characters}) <= len(characters):
        raise MessageRejected("bad-delimiters", "Two delimiters are the same", path="MSH-2", code="102")
    return Encoding(field, characters, codec)
