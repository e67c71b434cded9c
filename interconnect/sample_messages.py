"""HL7 v2.5.1 messages about invented patients, good and deliberately bad."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from random import Random

from vitals.demo import FACILITY

BAD_TIME = b"20251399256161.000+0000"  # month 13, hour 25, minute 61


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bed is: PV1-3.1 and, for room and bed alike, its number."""

    ward: str
    number: int

    def __str__(self) -> str:
        return f"{self.ward}^{self.number}^{self.number}^{FACILITY}"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is admitted, as PID and PV1-19 say it."""

    mrn: str
    visit: str
    family: str
    given: str
    born: date | None
    sex: str

    @property
    def pid(self) -> str:
        name = f"{self.family}^{self.given}"
        born = f"{self.born:%Y%m%d}" if self.born else ""
        return segment("PID", {1: "1", 3: f"{self.mrn}^^^{FACILITY}^MR", 5: name, 7: born, 8: self.sex})

    def pv1(self, place: Place, more: Mapping[int, str] | None = None) -> str:
        visit = f"{self.visit}^^^{FACILITY}^VN"
        return segment("PV1", {1: "1", 2: "I", 3: str(place), 19: visit} | dict(more or {}))


@dataclass(frozen=True, slots=True)
class Reading:
    """One OBX: a LOINC code with its name, a number and its UCUM unit, or a text without one."""

    code: str
    name: str
    value: str
    unit: str
    type: str = "NM"


def adt(
    event: str,
    when: datetime,
    control_id: str,
    person: Person,
    place: Place,
    pv1: Mapping[int, str],
    pv2: Mapping[int, str] | None = None,
) -> bytes:
    """Return an ADT message; `pv1` adds fields of that segment by number, and `pv2` that segment."""
    time = timestamp(when)
    structure = {"A01": "ADT_A01", "A02": "ADT_A02", "A03": "ADT_A03"}[event]
    return message(
        header("EHR", f"ADT^{event}^{structure}", time, control_id),
        segment("EVN", {1: event, 2: time, 6: time}),
        person.pid,
        person.pv1(place, pv1),
        *([segment("PV2", pv2)] if pv2 else []),
    )


def oru(
    when: datetime, control_id: str, person: Person, place: Place, readings: list[Reading], *, status: str
) -> bytes:
    """Return an ORU^R01 with one OBX for each reading; `status` is OBX-11 (HL7 table 0085)."""
    time = timestamp(when)
    return message(
        header("MONITOR", "ORU^R01^ORU_R01", time, control_id),
        person.pid,
        person.pv1(place),
        segment("OBR", {1: "1", 4: "85353-1^Vital signs panel^LN", 7: time, 25: status}),
        *(
            segment(
                "OBX",
                {
                    1: str(number),
                    2: reading.type,
                    3: f"{reading.code}^{reading.name}^LN",
                    5: reading.value,
                    6: f"{reading.unit}^^UCUM" if reading.unit else "",
                    11: status,
                    14: time,
                },
            )
            for number, reading in enumerate(readings, 1)
        ),
    )


def header(application: str, message_type: str, time: str, control_id: str) -> str:
    # MSH-1 is the separator itself, so MSH-2 comes where other segments have field 1.
    fields = {2: application, 3: FACILITY, 4: "INTERCONNECT", 5: FACILITY, 6: time}
    return segment(
        "MSH", {1: "^~\\&", **fields, 8: message_type, 9: control_id, 10: "P", 11: "2.5.1", 17: "UNICODE UTF-8"}
    )


def segment(name: str, fields: Mapping[int, str]) -> str:
    """Return a segment from its fields by number; the others are empty."""
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])


def message(*segments: str) -> bytes:
    return "".join(f"{each}\r" for each in segments).encode()


def timestamp(when: datetime) -> str:
    """Return an HL7 DTM with milliseconds and offset."""
    return f"{when:%Y%m%d%H%M%S}.{when.microsecond // 1000:03}{when:%z}"


def spoil(random: Random, raw: bytes) -> bytes:
    """Return a copy of a good message with a fault that keeps it from being applied."""
    particular = unknown_event if b"|ADT^" in raw else not_a_number
    return random.choice((*SPOILERS, particular))(random, raw)


def missing_pid(_: Random, raw: bytes) -> bytes:
    return re.sub(rb"PID[^\r]*\r", b"", raw)


def bad_time(_: Random, raw: bytes) -> bytes:
    return re.sub(rb"\d{14}\.\d{3}\+0000", BAD_TIME, raw)


def truncated(_: Random, raw: bytes) -> bytes:
    return raw[: raw.index(b"\rPID|") + 7]


def wrong_delimiters(_: Random, raw: bytes) -> bytes:
    msh, _end, rest = raw.partition(b"\r")
    return msh + b"\r" + rest.replace(b"|", b"!")


def garbage(random: Random, raw: bytes) -> bytes:
    return random.randbytes(len(raw)).translate(None, b"\x0b\x1c")  # or it would be several frames


def unknown_event(_: Random, raw: bytes) -> bytes:
    return re.sub(rb"\|ADT\^A\d\d\^ADT_A\d\d\|", b"|ADT^Z99|", raw)


def not_a_number(_: Random, raw: bytes) -> bytes:
    return re.sub(rb"(OBX\|\d\|NM\|[^|]*\|\|)[^|]*", rb"\1not measured", raw)


SPOILERS: tuple[Callable[[Random, bytes], bytes], ...] = (missing_pid, bad_time, truncated, wrong_delimiters, garbage)
