"""What each kind of message means for patients. HL7 chapters and tables are those of v2.5.1."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from interconnect import timestamps
from interconnect.er7 import NULL, Message, Segment
from interconnect.rejected import MessageRejected
from vitals.codes import CODES, to_kept_unit
from vitals.events import Event, Identity, Location, PatientMoved, VitalSign, VitalsMeasured
from vitals.models import Movement, Observation


class MessageSkipped(Exception):  # noqa: N818  not an error: the message asks nothing of us
    """The message is kept and has no effect; the text says why."""


def interpret(message: Message) -> tuple[Event, str]:
    """Return what the message says and a remark, else raise MessageSkipped or MessageRejected."""
    handler = HANDLERS.get(message.message_type)
    if handler is None:
        raise MessageSkipped("no handler for this event" if message.message_type else "no message type (MSH-9)")
    return handler(message)


def _moved(kind: Movement.Kind) -> Callable[[Message], tuple[Event, str]]:
    """Return the handler of an ADT event that says where a patient is (chapter 3.3)."""

    def handle(message: Message) -> tuple[Event, str]:
        identity = _identity(message)
        visit_segment = _required(message, "PV1")
        location = _location(visit_segment)
        if kind is not Movement.Kind.DISCHARGE and location is None:
            raise MessageRejected("missing-field", "The assigned patient location is empty", path="PV1-3", code="101")
        stated_at = _time(message.first("MSH"), 7)
        event = PatientMoved(
            identity=identity,
            stated_at=stated_at or _event_time(message, visit_segment, kind),
            visit=_visit(message, visit_segment, identity),
            kind=kind,
            occurred_at=_event_time(message, visit_segment, kind),
            location=None if kind is Movement.Kind.DISCHARGE else location,
        )
        return event, ""

    return handle


def _measured(message: Message) -> tuple[Event, str]:
    """Handle ORU^R01: one value per OBX, matched by code, never by label (chapter 7.4.2)."""
    identity = _identity(message)
    message_time = _time(message.first("MSH"), 7)
    signs: list[VitalSign] = []
    problems: list[MessageRejected] = []
    group_time: datetime | None = None
    for number, segment in _numbered(message):
        if segment.name == "OBR":
            group_time = _time(segment, 7)
            continue
        vital = CODES.get(segment.get(3, 1)) or CODES.get(segment.get(3, 4))
        if vital is None or segment.get(11) not in STORED:
            continue
        try:
            signs.append(_sign(segment, number, vital, group_time or message_time))
        except MessageRejected as problem:
            problems.append(problem)
    if not signs:
        raise problems[0] if problems else MessageSkipped("no vital signs in this message")
    unusable = ", ".join(problem.path for problem in problems[:10])
    return VitalsMeasured(identity, tuple(signs)), f"not usable: {unusable}" if problems else ""


def _numbered(message: Message) -> list[tuple[int, Segment]]:
    """Return OBR and OBX segments in order; an OBX with its number in the message, counted from 1."""
    numbered, count = [], 0
    for segment in message.segments:
        count += segment.name == "OBX"
        if segment.name in ("OBR", "OBX"):
            numbered.append((count, segment))
    return numbered


def _sign(segment: Segment, number: int, vital: str, default_time: datetime | None) -> VitalSign:
    sent_value, sent_unit = segment.get(5), segment.get(6)
    path = f"OBX[{number}]"
    value = _number(sent_value, f"{path}-5")
    observed_at = _time(segment, 14, path) or default_time
    if observed_at is None:
        raise MessageRejected("missing-field", "A vital sign has no time", path=f"{path}-14", code="101")
    return VitalSign(
        vital=vital,
        value=to_kept_unit(vital, value, sent_unit),
        observed_at=observed_at,
        status=Observation.Status(STORED[segment.get(11)]),
        sub_id=segment.get(4)[:40],
        sent_code=(segment.get(3, 1) or segment.get(3, 4))[:64],
        sent_value=sent_value[:40],
        sent_unit=sent_unit[:40],
    )


def _number(text: str, path: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise MessageRejected("not-a-number", "A vital sign is no number", path=path, code="102") from None
    if not value.is_finite() or abs(value) >= MAX_VALUE:
        raise MessageRejected("out-of-range", "A vital sign is impossible", path=path, code="102")
    return value


def _identity(message: Message) -> Identity:
    """Read PID: the repetition of type MR, else one with an authority, else the first (chapter 3.4.2.3)."""
    pid = _required(message, "PID")
    repetitions = range(1, pid.repetitions(3) + 1)
    of_type = [r for r in repetitions if pid.get(3, 5, repetition=r) == "MR" and pid.get(3, repetition=r)]
    filled = [r for r in repetitions if pid.get(3, repetition=r) not in ("", NULL)]
    if not filled:
        raise MessageRejected("missing-field", "The patient has no identifier", path="PID-3", code="101")
    chosen = (of_type or filled)[0]
    born = pid.get(7)
    return Identity(
        value=pid.get(3, repetition=chosen)[:64],
        authority=pid.get(3, 4, repetition=chosen)[:227],
        family_name=_text(pid.get(5, 1))[:194],
        given_name=_text(pid.get(5, 2))[:194],
        birth_date=_parse(born, "PID-7").date() if born not in ("", NULL) else None,
        sex=_text(pid.get(8))[:1],
    )


def _visit(message: Message, pv1: Segment, identity: Identity) -> tuple[str, str]:
    """Return PV1-19, else PID-18, else the patient's one unnumbered visit, with its authority."""
    pid = _required(message, "PID")
    for segment, position in ((pv1, 19), (pid, 18)):
        if number := _text(segment.get(position)):
            return number[:100], segment.get(position, 4)[:227]
    return f"unnumbered:{identity.value}"[:100], identity.authority


def _location(pv1: Segment) -> Location | None:
    unit, room, bed, facility = (_text(pv1.get(3, component)) for component in (1, 2, 3, 4))
    if not (unit or room or bed):
        return None
    return Location(unit[:64], room[:64], bed[:64], facility[:227])


def _event_time(message: Message, pv1: Segment, kind: Movement.Kind) -> datetime:
    """Return EVN-6, else EVN-2, else MSH-7; for a discharge PV1-45 first. Never PV1-44: that is the admission's."""
    evn = message.first("EVN")
    candidates: list[tuple[Segment | None, int]] = [(evn, 6), (evn, 2), (message.first("MSH"), 7)]
    if kind is Movement.Kind.DISCHARGE:
        candidates.insert(0, (pv1, 45))
    for segment, position in candidates:
        if (when := _time(segment, position)) is not None:
            return when
    raise MessageRejected("missing-field", "The event has no time", path="EVN-2", code="101")


def _time(segment: Segment | None, position: int, path: str = "") -> datetime | None:
    value = segment.get(position) if segment else ""
    if segment is None or value in ("", NULL):
        return None
    return _parse(value, f"{path or segment.name}-{position}")


def _parse(value: str, path: str) -> datetime:
    try:
        return timestamps.parse(value)
    except ValueError:
        raise MessageRejected("bad-timestamp", "A time cannot be read", path=path, code="102") from None


def _required(message: Message, name: str) -> Segment:
    segment = message.first(name)
    if segment is None:
        raise MessageRejected("missing-segment", f"There is no {name} segment", path=name, code="100")
    return segment


def _text(value: str) -> str:
    """Return the text, without NUL, which PostgreSQL refuses; HL7's "delete this value" is empty too."""
    return "" if value == NULL else value.replace("\0", "").strip()


MAX_VALUE: Final = Decimal(10_000)

# OBX-11 (table 0085) that carry a value, and what we keep of them.
STORED: Final = {"F": "F", "": "F", "R": "R", "P": "P", "S": "P", "C": "C", "U": "F", "A": "F", "B": "F", "V": "F"}

HANDLERS: Final[dict[str, Callable[[Message], tuple[Event, str]]]] = {
    "ADT^A01": _moved(Movement.Kind.ADMIT),
    "ADT^A02": _moved(Movement.Kind.TRANSFER),
    "ADT^A03": _moved(Movement.Kind.DISCHARGE),
    "ORU^R01": _measured,
}
