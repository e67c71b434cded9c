"""What several kinds of message have in common: who, when and where. HL7 chapters and tables are those of v2.5.1."""

from datetime import UTC, datetime, timedelta
from typing import Final

from django.conf import settings

from interconnect.hl7 import timestamps
from interconnect.hl7.er7 import NULL, Message, Segment
from interconnect.hl7.escapes import Encoding
from interconnect.hl7.rejected import MessageRejected
from interconnect.hl7.remembered import remembered
from vitals.events import Identity, Location, Name

MAX_VALUE, MAX_AUTHORITY, MAX_VISIT = 64, 227, 100
AHEAD: Final = timedelta(minutes=15)  # of our clock, at most; a zone or a summer time that is wrong is an hour
MEDICAL_RECORD: Final = "MR"  # table 0203
PATIENT_INTERNAL: Final = "PI"


def required(message: Message, name: str) -> Segment:
    """Return the first segment of that name; without one the message is rejected."""
    segment = message.first(name)
    if segment is None:
        raise missing_segment(name)
    return segment


def missing_segment(name: str) -> MessageRejected:
    return MessageRejected("missing-segment", f"There is no {name} segment", path=name, code="100")


def missing_field(text: str, path: str) -> MessageRejected:
    return MessageRejected("missing-field", text, path=path, code="101")


def text(value: str) -> str:
    """Return the text, without NUL, which PostgreSQL refuses; HL7's "delete this value" is empty too."""
    return "" if value == NULL else value.replace("\0", "").strip()


def detail(value: str, length: int) -> str | None:
    """Return a detail to keep: None where nothing was stated, empty where the sender says to delete it."""
    if not value:
        return None
    return text(value)[:length]


def identity(pid: Segment) -> Identity:
    """Read PID: the patient's identifier (chapter 3.4.2.3) and details."""
    return _identity(pid.text, pid.encoding, tuple(settings.EPICOPS_PATIENT_AUTHORITIES))


@remembered(maxsize=4096)  # each message about a patient has the same
def _identity(line: str, encoding: Encoding, _configured: tuple[str, ...]) -> Identity:
    pid = Segment(line, encoding)
    value, authority = identifier(pid, 3, "PID-3")
    return Identity(
        value=value,
        authority=authority,
        family_name=detail(pid.get(5, 1), 194),
        given_name=detail(pid.get(5, 2), 194),
        birth_date=born.date() if (born := readable_time(pid, 7)) else None,
        sex=detail(pid.get(8), 1),
        is_birth_date_deleted=pid.get(7) == NULL,
    )


def identifier(segment: Segment, field: int, path: str, wanted: str = "") -> Name:
    """Return a patient's identifier and who assigned it, whatever order the repetitions are in.

    That of authority `wanted` or of a configured one before type MR, then PI, then one without a type, then any other.
    """
    if segment.repetitions(field) == 1 and (value := text(segment.get(field))):  # nearly always
        return _whole(value, path), _authority(assigner(segment, field), text(segment.get(field, 5)))
    names = [
        (
            _preference(wanted, authority := assigner(segment, field, number), kind),
            _authority(authority, kind),
            value,
        )
        for number in range(1, segment.repetitions(field) + 1)
        if (value := text(segment.get(field, repetition=number)))
        for kind in (text(segment.get(field, 5, repetition=number)),)
    ]
    if not names:
        raise missing_field("The patient has no identifier", path)
    _, authority, value = min(names)
    return _whole(value, path), authority


def assigner(segment: Segment, field: int, repetition: int = 1) -> str:
    """Return who assigned a number or names a place (HD, its fourth component): the name, else the universal id."""
    name, universal_id = (text(segment.get(field, 4, part, repetition)) for part in (1, 2))
    return name or universal_id


def _whole(value: str, path: str) -> str:
    """Return an identifier that fits; cut short it could be somebody else's (chapter 2.A.14 allows 15 characters)."""
    if len(value) > MAX_VALUE:
        raise MessageRejected("too-long", f"An identifier has more than {MAX_VALUE} characters", path=path, code="102")
    return value


def _authority(authority: str, kind: str) -> str:
    """Return who assigned an identifier; a social security number must not pass for somebody's record number."""
    return authority[:MAX_AUTHORITY] or ("" if kind in ("", MEDICAL_RECORD, PATIENT_INTERNAL) else kind[:MAX_AUTHORITY])


def _preference(wanted: str, authority: str, kind: str) -> int:
    configured: list[str] = settings.EPICOPS_PATIENT_AUTHORITIES
    order = [wanted] if wanted else configured
    if authority and authority in order:
        return order.index(authority) - len(order)
    return {MEDICAL_RECORD: 0, PATIENT_INTERNAL: 1, "": 2}.get(kind, 3)


def patient_of(segment: Segment | None, field: int = 3) -> Name | None:
    """Return the patient that PID-3, or another field, identifies; None where it identifies nobody."""
    try:
        return identifier(segment, field, "") if segment else None
    except MessageRejected:
        return None


def visit_of(pid: Segment | None, pv1: Segment | None) -> Name | None:
    """Return the visit that two segments are about: PV1-19, else the account of PID-18."""
    return visit_number(pv1, 19) or visit_number(pid, 18)


def visit_number(segment: Segment | None, field: int) -> Name | None:
    """Return a visit or account number (CX) and who assigned it, None where there is none."""
    if segment is None or not (number := text(segment.get(field))):
        return None
    return number[:MAX_VISIT], assigner(segment, field)[:MAX_AUTHORITY]


def location(pv1: Segment, field: int) -> Location | None:
    """Return a place (PL): unit, room, bed and facility; None where none of the first three is there."""
    return _location(pv1.field(field), pv1.encoding)


@remembered(maxsize=4096)
def _location(field: str, encoding: Encoding) -> Location | None:
    alone = Segment(f"PV1{encoding.field}{field}", encoding)
    unit, room, bed = (text(alone.get(1, component)) for component in (1, 2, 3))
    if not (unit or room or bed):
        return None
    return Location(unit[:64], room[:64], bed[:64], assigner(alone, 1)[:227])


def time(segment: Segment | None, position: int, path: str = "", *, may_be_ahead: bool = False) -> datetime | None:
    """Return the time in a field, None where it is empty; rejected where what happened lies in the future.

    Else one sender's wrong clock would hide everything that happens until then behind it.
    """
    value = segment.get(position) if segment else ""
    if segment is None or value in ("", NULL):
        return None
    try:
        at = timestamps.parse(value)
    except ValueError:
        raise _bad_time("bad-timestamp", "A time cannot be read", f"{path or segment.name}-{position}") from None
    if is_ahead(at) and not may_be_ahead:
        where = f"{path or segment.name}-{position}"
        raise _bad_time("future-time", "A time lies in the future: a wrong clock or zone", where)
    return at


def _bad_time(error_class: str, text: str, path: str) -> MessageRejected:
    return MessageRejected(error_class, text, path=path, code="102")


def is_ahead(at: datetime) -> bool:
    """Whether a time lies in the future by more than clocks differ."""
    return at > datetime.now(UTC) + AHEAD


def readable_time(segment: Segment, position: int, *, may_be_ahead: bool = False) -> datetime | None:
    """Return the time in a field that nothing depends on; None also where it cannot be read, or be true."""
    try:
        return time(segment, position, may_be_ahead=may_be_ahead)
    except MessageRejected:
        return None
