"""ORU^R01: one vital sign per OBX, matched by code and system, never by label (chapter 7.4.2)."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from interconnect.handlers.fields import identity, location, missing_field, readable_time, required, text, time
from interconnect.handlers.interpretation import Interpretation
from interconnect.hl7.er7 import NULL, Message, Segment
from interconnect.hl7.escapes import Encoding
from interconnect.hl7.rejected import MessageRejected
from interconnect.hl7.remembered import remembered
from vitals.codes import CONSCIOUSNESS, PRESSURE, LocalCodes, Meaning, is_plausible, meaning_of, to_kept_unit
from vitals.events import UnknownCode, VitalSign, VitalsMeasured
from vitals.models import LONG_AGO, Observation

Status = Observation.Status

MAX_VALUE, MAX_SENT = Decimal(10_000), Decimal(1_000_000)  # in the unit it is kept in, and in any: a weight in grams
MAX_DIGITS: Final = 200  # of which no number needs so many
NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")  # NM (chapter 2.A); Decimal takes 1_2, 1e3 and more
# OBX-11 (table 0085) and what we keep it as. Of A, B and V (v2.8) each is a final result with a remark of the sender's.
STORED: Final = {
    **dict.fromkeys(("F", "", "U", "A", "B", "V"), Status.FINAL),
    "R": Status.UNVERIFIED,
    **dict.fromkeys(("P", "S"), Status.PRELIMINARY),
    "C": Status.CORRECTED,
    "D": Status.DELETED,
    "W": Status.WRONG,
}
WITHOUT_VALUE: Final = ("X", "N", "I", "O")
WITHDRAWN: Final = (Status.DELETED, Status.WRONG)


class Code(NamedTuple):
    """OBX-3: a coded element and its alternate (CE, chapter 2.A.13)."""

    code: str
    label: str
    system: str
    alternate: str
    alternate_system: str


@dataclass(slots=True)
class Result:
    """One patient's part of a message: each OBX with its number in the message, counted from 1, and its OBR."""

    pid: Segment
    pv1: Segment | None = None
    observations: list[tuple[int, Segment, Segment | None]] = field(default_factory=list)


def measured(message: Message, local_codes: LocalCodes) -> Interpretation:
    """Return the vital signs; of values that cannot be used the first is the problem and all are in the remark."""
    stated_at = readable_time(message.header, 7)
    problems: list[MessageRejected] = []
    events = [_measured(result, local_codes, stated_at, problems) for result in _results(message)]
    signs = [sign for event in events for sign in event.signs]
    if problems and not signs:
        raise problems[0]
    unknown = [code for event in events for code in event.unknown_codes]
    return Interpretation(tuple(events), _remark(signs, unknown, problems), problems[0] if problems else None)


def _measured(
    result: Result, local_codes: LocalCodes, stated_at: datetime | None, problems: list[MessageRejected]
) -> VitalsMeasured:
    """Return what one patient's OBX say; those that cannot be used are added to the problems."""
    patient = identity(result.pid)
    signs: list[VitalSign] = []
    unknown: list[UnknownCode] = []
    for number, segment, group in result.observations:
        code = _code(segment.field(3), segment.encoding)
        meaning = _meaning(code, local_codes)
        if meaning is None:
            unknown += _unknown(segment, code)
        elif segment.get(11) not in WITHOUT_VALUE:
            try:
                signs += _signs(segment, f"OBX[{number}]", code, meaning, group, stated_at)
            except MessageRejected as problem:
                problems.append(problem)
    place = location(result.pv1, 3) if result.pv1 else None
    return VitalsMeasured(patient, stated_at or LONG_AGO, tuple(signs), tuple(unknown), place)


def _remark(signs: list[VitalSign], unknown: list[UnknownCode], problems: list[MessageRejected]) -> str:
    remarks = []
    if problems:
        remarks.append(f"not usable: {', '.join(problem.path for problem in problems[:10])}")
    if any(not sign.is_shown and sign.status not in WITHDRAWN for sign in signs):
        remarks.append("implausible values are kept and not shown")
    if unknown:
        remarks.append(f"{len(unknown)} codes not mapped")
    return "; ".join(remarks)[:200] or ("" if signs else "no vital signs in this message")


def _results(message: Message) -> list[Result]:
    """Return each patient's results: PID begins a PATIENT_RESULT, which may repeat."""
    first, group, count = required(message, "PID"), None, 0
    results = [result := Result(first)]
    for segment in message.segments:
        name = segment.name
        if name == "OBX":
            count += 1
            result.observations.append((count, segment, group))
        elif name == "OBR":
            group = segment
        elif name == "PV1":
            result.pv1 = result.pv1 or segment
        elif name == "PID" and segment is not first:
            results.append(result := Result(segment))
            group = None
    return results


@remembered(maxsize=1024)  # every message has the same few
def _code(field: str, encoding: Encoding) -> Code:
    return Code(*(Segment(f"OBX{encoding.field}{field}", encoding).get(1, part) for part in (1, 2, 3, 4, 6)))


def _meaning(code: Code, local_codes: LocalCodes) -> Meaning | None:
    """Look up OBX-3, else its alternate triplet."""
    return meaning_of(code.code, code.system, local_codes) or meaning_of(
        code.alternate, code.alternate_system, local_codes
    )


def _unknown(segment: Segment, sent: Code) -> list[UnknownCode]:
    """Return the code to be offered for mapping; none for a container (X), such as a monitor's channel."""
    code = text(sent.code)
    if not code or segment.get(11) == "X":
        return []
    return [UnknownCode(code[:64], text(sent.system)[:40], text(sent.label)[:100])]


def _signs(
    segment: Segment, path: str, code: Code, meaning: Meaning, group: Segment | None, stated_at: datetime | None
) -> list[VitalSign]:
    """Return the vital signs of an OBX, two of a printed blood pressure."""
    observed_at = time(segment, 14, path) or time(group, 7) or stated_at
    if observed_at is None:
        raise missing_field("A vital sign has no time", f"{path}-14")
    encoding = segment.encoding
    stated = encoding.field.join(segment.fields[2:14])
    signs = _timeless(stated, encoding, code.code or code.alternate, meaning, path)
    return [sign._replace(observed_at=observed_at) for sign in signs]


@remembered(maxsize=8192)  # the same few values come from every bed
def _timeless(stated: str, encoding: Encoding, code: str, meaning: Meaning, path: str) -> tuple[VitalSign, ...]:
    """Return what OBX-2 to OBX-13 say, measured long ago."""
    segment = Segment(f"OBX{encoding.field}{encoding.field}{stated}", encoding)
    status = STORED.get(segment.get(11))
    if status is None:
        raise MessageRejected("unknown-status", "OBX-11 is none of table 0085", path=f"{path}-11", code="103")
    sent, unit = _sent_value(segment), segment.get(6) or segment.get(6, 2)  # some send a unit's name alone
    return tuple(
        VitalSign(
            vital=vital,
            value=value,
            observed_at=LONG_AGO,
            status=status,
            sub_id=text(segment.get(4))[:40],
            sent_code=text(code)[:64],
            sent_value=text(sent)[:40],
            sent_unit=text(unit)[:40],
            is_shown=is_shown,
        )
        for vital, number in _numbers(meaning.vital, sent, status, path)
        for value, is_shown in (_value(vital, number.strip()[:MAX_DIGITS], unit or meaning.unit, path, status),)
    )


def _numbers(vital: str, sent: str, status: Observation.Status, path: str) -> list[tuple[str, str]]:
    """Return each vital of a value with its number; a printed blood pressure (120/80) has two."""
    if vital != PRESSURE:
        return [(vital, sent)]
    numbers = ["", ""] if status in WITHDRAWN and sent in ("", NULL) else sent.split("/")
    if len(numbers) != 2:  # noqa: PLR2004  systolic and diastolic
        raise MessageRejected("not-a-number", "A blood pressure is not like 120/80", path=f"{path}-5", code="102")
    return list(zip(("sbp", "dbp"), numbers, strict=True))


def _value(vital: str, sent: str, unit: str, path: str, status: Observation.Status) -> tuple[Decimal, bool]:
    """Return the value in the unit it is kept in, and whether it is shown: a living patient can have it."""
    if status in WITHDRAWN:
        return Decimal(0), False  # the value is of no use to anybody, and often empty
    if vital == "acvpu":
        number, unit = _consciousness(sent, path), ""
    else:
        number = _number(sent, f"{path}-5")
    value = _converted(vital, number, unit, f"{path}-6")
    if abs(value) >= MAX_VALUE:
        raise _impossible(f"{path}-5")
    return value, is_plausible(vital, value)


def _sent_value(segment: Segment) -> str:
    """Return OBX-5; of a structured numeric (SN, `^182`) the number.

    None where it is a range or a ratio, or repeats: of "alert" and "new confusion" neither may be left out.
    """
    if segment.repetitions(5) > 1:
        return ""
    if segment.get(2) != "SN":
        return segment.get(5)
    comparator, number, separator = (segment.get(5, component) for component in (1, 2, 3))
    return number if comparator in ("", "=") and not separator else ""


def _number(sent: str, path: str) -> Decimal:
    if NUMBER.fullmatch(sent) is None:
        raise MessageRejected("not-a-number", "A vital sign is no number", path=path, code="102")
    value = Decimal(sent)
    if abs(value) >= MAX_SENT:
        raise _impossible(path)
    return value


def _impossible(path: str) -> MessageRejected:
    return MessageRejected("out-of-range", "A vital sign is impossible", path=path, code="102")


def _consciousness(sent: str, path: str) -> Decimal:
    """Return the place in ACVPU of "A", "Alert", "Voice" and the like."""
    place = CONSCIOUSNESS.get(sent.lower())
    if place is None:
        raise MessageRejected("not-acvpu", "A level of consciousness is none of ACVPU", path=f"{path}-5", code="103")
    return Decimal(place)


def _converted(vital: str, value: Decimal, unit: str, path: str) -> Decimal:
    try:
        return to_kept_unit(vital, value, unit)
    except ValueError:
        raise MessageRejected(
            "unknown-unit", "This vital sign is not measured in that unit", path=path, code="103"
        ) from None
