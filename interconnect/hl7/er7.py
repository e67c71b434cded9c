"""HL7 v2 messages in their ER7 encoding, read on demand (HL7 v2.8 sections 2.5 to 2.7).

`parse` only finds the segments; a segment is split when it is first read and a value decoded when it is asked for,
which is some forty times as fast as building a tree. Whatever the bytes, nothing but MessageRejected is raised.
"""

from typing import Final, NamedTuple

from interconnect.hl7.charsets import UTF_8, codec_of, decode
from interconnect.hl7.escapes import Encoding, encoding_of, is_delimiter
from interconnect.hl7.rejected import MessageRejected

NULL: Final = '""'  # "delete the value on file", where an empty value means "no change" (section 2.5.3)
MAX_BYTES: Final = 10 * 1024 * 1024
MAX_SEGMENTS: Final = 10_000
TOO_LARGE: Final = "too-large"

HEADERS: Final = ("MSH", "FHS", "BHS")  # their field 1 is the field separator itself
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
AROUND: Final = b"\x0b\x1c\r\n\t "  # MLLP's VT and FS, line ends, blanks
BLANKS: Final = "\t "
HEAD_BYTES: Final = 8192  # where peek_header looks
SEPARATORS_BEFORE_MSH_18: Final = 17


class Segment:
    """One segment: its name in upper case, its fields by their HL7 numbers."""

    __slots__ = ("_fields", "encoding", "name", "text")
    LITERAL_FIELDS = 0  # the fields up to this one are returned as they are

    def __init__(self, text: str, encoding: Encoding) -> None:
        self.text = text
        self.encoding = encoding
        self._fields: list[str] | None = None
        self.name = (text[:3] if text[3:4] == encoding.field else text.partition(encoding.field)[0]).upper()

    @property
    def fields(self) -> list[str]:
        """The fields as sent, not decoded; index 1 is the first, index 0 the segment's name."""
        if self._fields is None:
            self._fields = self._split()
        return self._fields

    def field(self, number: int) -> str:
        """Return a whole field as sent, not decoded, "" where it is absent."""
        fields = self._fields or self.fields
        return fields[number] if number < len(fields) else ""

    def get(self, field: int, component: int = 1, subcomponent: int = 1, repetition: int = 1) -> str:
        """Return one value decoded, "" where it is absent, NULL where the sender says to delete it."""
        fields = self._fields or self.fields
        value = fields[field] if field < len(fields) else ""
        if not value or field <= self.LITERAL_FIELDS:
            return value
        encoding = self.encoding
        try:  # the conditions save splitting: most values have no delimiter in them
            if repetition > 1 or encoding.repetition in value:
                value = value.split(encoding.repetition, repetition)[repetition - 1]
            if component > 1 or encoding.component in value:
                value = value.split(encoding.component, component)[component - 1]
            if subcomponent > 1 or encoding.subcomponent in value:
                value = value.split(encoding.subcomponent, subcomponent)[subcomponent - 1]
        except IndexError:
            return ""
        return encoding.unescape(value) if encoding.escape in value else value

    def repetitions(self, field: int) -> int:
        """Return how many repetitions the field has, 0 where it is empty."""
        value = self.fields[field] if field < len(self.fields) else ""
        if not value or field <= self.LITERAL_FIELDS:
            return int(value != "")
        return value.count(self.encoding.repetition) + 1

    def _split(self) -> list[str]:
        return self.text.split(self.encoding.field)


class HeaderSegment(Segment):
    """MSH: field 1 is the field separator itself, field 2 the other delimiters."""

    __slots__ = ()
    LITERAL_FIELDS = 2

    def _split(self) -> list[str]:
        fields = self.text.split(self.encoding.field)
        fields.insert(1, self.encoding.field)
        return fields


class Message:
    """The segments of one message, MSH first."""

    __slots__ = ("_starts", "encoding", "header", "is_charset_guessed", "segments")

    def __init__(self, lines: list[str], encoding: Encoding, *, is_charset_guessed: bool) -> None:
        self.encoding = encoding
        self.is_charset_guessed = is_charset_guessed
        self.header = HeaderSegment(lines[0], encoding)
        self.segments = [self.header, *[Segment(line, encoding) for line in lines[1:]]]
        self._starts = [line[:4].upper() for line in lines]  # "PID|": name and field separator

    def first(self, name: str) -> Segment | None:
        """Return the first segment of that name with any field, None where there is none."""
        try:
            return self.segments[self._starts.index(name + self.encoding.field)]
        except ValueError:
            return None

    def all(self, name: str) -> list[Segment]:
        """Return the segments of that name in their order."""
        wanted = name + self.encoding.field
        return [segment for segment, start in zip(self.segments, self._starts, strict=True) if start == wanted]

    @property
    def message_type(self) -> str:
        """MSH-9 as "ADT^A01"; where it is "ADT" alone, as in v2.1, the event is EVN-1's."""
        code, event = self.header.get(9), self.header.get(9, 2)
        if code and not event and (evn := self.first("EVN")):
            event = evn.get(1)
        return f"{code}^{event}" if event else code

    @property
    def sending_application(self) -> str:
        return self.header.get(3)

    @property
    def sending_facility(self) -> str:
        return self.header.get(4)

    @property
    def control_id(self) -> str:
        return self.header.get(10)

    @property
    def processing_id(self) -> str:
        return self.header.get(11)

    @property
    def version(self) -> str:
        return self.header.get(12)


def parse(raw: bytes, fallback: str | None = None) -> Message:
    """Return the one message in these bytes, else raise MessageRejected.

    `fallback` is the codec for bytes that are neither in the declared character set nor UTF-8: without one such a
    message is rejected, with one it is marked `is_charset_guessed`.
    """
    if len(raw) > MAX_BYTES:
        raise too_large()
    body = normalize(raw)
    if not body.startswith(b"MSH"):
        raise _not_a_message(body)
    if b"\0" in body:
        raise MessageRejected("nul-byte", "The message contains NUL bytes", code="102")
    text, codec, is_guess = decode(body, declared_codec(body), fallback)
    if "\rMSH" in text:
        raise MessageRejected("several-messages", "There is more than one MSH segment", path="MSH", code="100")
    lines = [line for segment in text.split("\r") if (line := segment.rstrip(BLANKS))]
    if len(lines) > MAX_SEGMENTS:
        raise MessageRejected("too-many-segments", f"The message has more than {MAX_SEGMENTS:,} segments")
    field = text[3:4]
    encoding = encoding_of(field, lines[0][4:].split(field, 1)[0] if field else "", codec)
    return Message(lines, encoding, is_charset_guessed=is_guess)


def too_large() -> MessageRejected:
    return MessageRejected(TOO_LARGE, f"The message has more than {MAX_BYTES:,} bytes")


def readable(raw: bytes) -> Message | None:
    """Return the message also where its character set has to be guessed; None where the bytes are no message."""
    try:
        return parse(raw, fallback="latin-1")
    except MessageRejected:
        return None


def normalize(raw: bytes) -> bytes:
    """Return the message without framing or byte order mark around it, each segment ended by CR alone."""
    body = raw.strip(AROUND).removeprefix(BYTE_ORDER_MARK).lstrip(AROUND)
    return body.replace(b"\r\n", b"\r").replace(b"\n", b"\r") if b"\n" in body else body


def declared_codec(body: bytes) -> str | None:
    """Return the codec of MSH-18, None where it is not one we know."""
    header, field = body.partition(b"\r")[0], body[3:4]
    if not field or header.count(field) < SEPARATORS_BEFORE_MSH_18:
        return UTF_8
    fields = header.split(field, SEPARATORS_BEFORE_MSH_18 + 1)
    repetition = fields[1][1:2]
    return codec_of(fields[SEPARATORS_BEFORE_MSH_18].decode("ascii", "replace"), repetition.decode("ascii", "replace"))


def _not_a_message(body: bytes) -> MessageRejected:
    if body.startswith((b"FHS", b"BHS")):
        return MessageRejected("several-messages", "This is a batch, not a message", path=body[:3].decode(), code="100")
    if body.startswith((b"\xff\xfe", b"\xfe\xff", b"M\0S\0H", b"\0M\0S\0H")):
        return MessageRejected("bad-charset", "UTF-16 is not supported", path="MSH-18", code="102")
    text = "The message does not start with MSH" if body else "The message is empty"
    return MessageRejected("not-hl7", text, path="MSH", code="100")


class Header(NamedTuple):
    """What the audit row says of a message: printable, and no longer than the row's columns."""

    message_type: str = ""
    control_id: str = ""
    sending_application: str = ""
    sending_facility: str = ""


HEADER_LENGTHS: Final = (20, 199, 227, 227)


def peek_header(raw: bytes) -> Header:
    """Return what the first MSH says, as far as it can be made out; never raises. Escapes are left as they are."""
    start = raw.find(b"MSH", 0, HEAD_BYTES)
    head = raw[start : start + HEAD_BYTES].decode(errors="replace") if start >= 0 else ""
    separator = head[3:4]
    if not is_delimiter(separator):
        return Header()
    header, _, rest = head.replace("\n", "\r").partition("\r")
    fields = header.split(separator, 10)
    fields += [""] * (10 - len(fields))
    component = fields[1][:1] or separator
    code, event = (*fields[8].split(component), "")[:2]
    if code and not event:
        event = rest.partition(f"EVN{separator}")[2].partition("\r")[0].partition(separator)[0]
    message_type = f"{code}^{event}" if event else code
    values = (message_type, *[fields[index].partition(component)[0] for index in (9, 2, 3)])
    if not "".join(values).isprintable():
        values = tuple("".join(filter(str.isprintable, value)) for value in values)
    return Header(*[value[:length] for value, length in zip(values, HEADER_LENGTHS, strict=True)])
