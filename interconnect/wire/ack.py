"""Acknowledgments (HL7 v2.5.1 section 2.9), built from whatever of the header can be read."""

import secrets
from dataclasses import dataclass

from django.utils import timezone

ENCODING = b"^~\\&"
PADDING = b"\xef\xbb\xbf\r\n\t "  # a byte order mark or blanks before MSH
OLD_ERR_VERSIONS = (b"2.1", b"2.2", b"2.3", b"2.4")  # ERR-1; from 2.5 on ERR-2, 3, 4 and 8

ERROR_TEXTS = {  # HL7 table 0357
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "207": "Application internal error",
}

EITHER_WAY = frozenset({"AA", "AE", "AR"})
WANTED_AFTER = {  # HL7 table 0155: what MSH-15 and MSH-16 ask to hear of
    b"AL": EITHER_WAY,
    b"SU": frozenset({"AA"}),
    b"ER": frozenset({"AE", "AR"}),
    b"NE": frozenset[str](),
}


@dataclass(frozen=True, slots=True)
class Error:
    """What an ERR segment says. The text is for people and never holds patient data."""

    code: str  # HL7 table 0357, one of ERROR_TEXTS
    text: str
    location: tuple[str, ...] = ()  # segment, its occurrence, field: ("MSH", "1", "10")


@dataclass(frozen=True, slots=True)
class Header:
    """The MSH segment as sent: bytes, undecoded and unescaped."""

    separator: bytes
    fields: tuple[bytes, ...]  # "MSH", MSH-2, MSH-3 …

    def field(self, number: int) -> bytes:
        """Return MSH-`number`, counted as HL7 does; empty when absent."""
        return self.fields[number - 1] if number <= len(self.fields) else b""

    def component(self, number: int, component: int) -> bytes:
        parts = self.field(number).split(self.encoding[:1])
        return parts[component - 1] if component <= len(parts) else b""

    @property
    def encoding(self) -> bytes:
        """MSH-2, or the usual characters where it is unusable: 1 to 5 different punctuation characters."""
        sent = self.field(2)
        is_usable = 1 <= len(sent) <= 5 and len(set(sent + self.separator)) > len(sent)  # noqa: PLR2004  section 2.5.4
        return sent if is_usable and all(map(_is_delimiter, sent)) else ENCODING.replace(self.separator, b"")


NO_HEADER = Header(b"|", (b"MSH", ENCODING))


def header(raw: bytes) -> Header | None:
    """Return the header of a message, or None if it does not begin with MSH and a field separator."""
    start = len(raw) - len(raw.lstrip(PADDING))
    if raw[start : start + 3] != b"MSH" or len(raw) < start + 5 or not _is_delimiter(raw[start + 3]):
        return None
    line = raw[start : _line_end(raw, start)]
    separator = line[3:4]
    return Header(separator, tuple(line.split(separator, 21)))


def reply(raw: bytes, code: str, *, error: Error | None = None) -> bytes | None:
    """Return the acknowledgment the sender asked for, None where it asked for none."""
    answer = wanted(raw, code)
    return acknowledge(raw, answer, error=error) if answer else None


def wanted(raw: bytes, code: str) -> str | None:
    """Return the MSA-1 by which the sender asked to hear of AA, AE or AR, None where it asked not to.

    MSH-15 other than NE asks for an accept acknowledgment (CA, CE, CR; enhanced mode, section 2.9.3). With NE there,
    MSH-16 decides about AA, AE and AR. All else is original mode. An acknowledgment is never acknowledged.
    """
    msh = header(raw) or NO_HEADER
    accept, application = msh.field(15), msh.field(16)
    if is_acknowledgment(raw):
        return None
    if accept in WANTED_AFTER and accept != b"NE":
        return f"C{code[1]}" if code in WANTED_AFTER[accept] else None
    if accept == b"NE" and code not in WANTED_AFTER.get(application, EITHER_WAY):
        return None
    return code


def is_acknowledgment(raw: bytes) -> bool:
    msh = header(raw)
    if msh is None:
        return False
    return msh.component(9, 1) == b"ACK" or any(end + b"MSA" + msh.separator in raw for end in (b"\r", b"\n"))


def acknowledge(raw: bytes, code: str, *, error: Error | None = None) -> bytes:
    """Return the ACK for a message: AA stored, AE send again later, AR never will be accepted; CA, CE and CR alike.

    MSA-2 is MSH-10 byte for byte, also where nothing else of the message can be read.
    """
    msh = header(raw) or NO_HEADER
    segments = [_msh(msh), [b"MSA", code.encode(), msh.field(10)]]
    if error is not None:
        segments.append(_err(msh, error))
    return b"".join(msh.separator.join(fields) + b"\r" for fields in segments)


def _msh(msh: Header) -> list[bytes]:
    fields = [
        b"MSH",
        msh.encoding,
        *(msh.field(number) for number in (5, 6, 3, 4)),  # the receiver answers as the sender
        timezone.localtime().strftime("%Y%m%d%H%M%S%z").encode(),
        b"",
        msh.encoding[:1].join(filter(None, (b"ACK", msh.component(9, 2), b"ACK"))),
        secrets.token_hex(10).encode(),  # 20 characters: all that MSH-10 holds before v2.7
        msh.field(11) or b"P",
        msh.field(12) or b"2.5.1",
    ]
    charset = msh.field(18)
    return [*fields, b"", b"", b"", b"", b"", charset] if charset else fields


def _err(msh: Header, error: Error) -> list[bytes]:
    component, subcomponent = msh.encoding[:1], msh.encoding[3:4]
    where = [part.encode() for part in error.location]
    what = [error.code.encode(), ERROR_TEXTS[error.code].encode(), b"HL70357"]
    if msh.field(12).startswith(OLD_ERR_VERSIONS):
        return [
            b"ERR",
            component.join([*(where or [b"", b"", b""]), subcomponent.join(what) if subcomponent else what[0]]),
        ]
    delimiters = msh.separator + msh.encoding
    text = error.text.encode().translate(bytes.maketrans(delimiters, b" " * len(delimiters)))
    return [b"ERR", b"", component.join(where), component.join(what), b"E", b"", b"", b"", text]


def _is_delimiter(byte: int) -> bool:
    return 0x20 < byte < 0x7F and not chr(byte).isalnum()  # noqa: PLR2004  printable ASCII


def _line_end(raw: bytes, start: int) -> int:
    ends = [end for end in (raw.find(b"\r", start), raw.find(b"\n", start)) if end >= 0]
    return min(ends, default=len(raw))
