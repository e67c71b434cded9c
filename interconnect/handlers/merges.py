"""ADT events by which two records turn out to be one: patients, visits and accounts (chapter 3.3.18 and following)."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from interconnect.handlers.adt import describe, stated_at
from interconnect.handlers.fields import identifier, missing_field, missing_segment, visit_number
from interconnect.handlers.interpretation import Handler, Interpretation
from interconnect.hl7.er7 import Message, Segment
from vitals.events import Event, Name, PatientsMerged, VisitMerged


class Group(NamedTuple):
    """One PID with the MRG and perhaps PV1 that belong to it; A39 to A42 may have several."""

    pid: Segment
    mrg: Segment
    pv1: Segment | None


class Number(NamedTuple):
    """Where a visit is numbered: in MRG as it was, in PID or PV1 as it is."""

    mrg_field: int
    segment: str
    field: int


ACCOUNT: Final = Number(3, "PID", 18)
VISIT: Final = Number(5, "PV1", 19)
ALTERNATE_VISIT: Final = Number(6, "PV1", 50)


def patients(message: Message) -> Interpretation:
    """Return the handler's answer to "MRG-1 is PID-3"."""
    return Interpretation(tuple(event for group in _groups(message) for event in _patients(message, group)))


def visits(number: Number) -> Handler:
    """Return the handler of "that visit or account is this one, and this patient's"."""

    def handle(message: Message) -> Interpretation:
        return Interpretation(tuple(event for group in _groups(message) for event in _visits(message, group, number)))

    return handle


def patients_and_accounts(message: Message) -> Interpretation:
    """A36: both, the account only where MRG-3 is given."""
    merged = patients(message).events
    accounts = [group for group in _groups(message) if visit_number(group.mrg, ACCOUNT.mrg_field)]
    return Interpretation((*merged, *(event for group in accounts for event in _visits(message, group, ACCOUNT))))


def _groups(message: Message) -> Iterator[Group]:
    pid: Segment | None = None
    segments = message.segments
    found = False
    for index, segment in enumerate(segments):
        if segment.name == "PID":
            pid = segment
        elif segment.name == "MRG":
            if pid is None:
                raise missing_segment("PID")
            following = segments[index + 1] if index + 1 < len(segments) else None
            yield Group(pid, segment, following if following and following.name == "PV1" else None)
            found = True
    if not found:
        raise missing_segment("MRG")


def _patients(message: Message, group: Group) -> Iterator[Event]:
    details = describe(message, group.pid)
    yield details
    old = identifier(group.mrg, 1, "MRG-1", wanted=details.identity.authority)
    if old != details.identity.key:
        yield PatientsMerged(details.identity, details.stated_at, old)


def _visits(message: Message, group: Group, number: Number) -> Iterator[Event]:
    details = describe(message, group.pid)
    yield details
    old = visit_number(group.mrg, number.mrg_field)
    if old is None:
        raise missing_field("The former number is empty", f"MRG-{number.mrg_field}")
    yield VisitMerged(details.identity, stated_at(message), _new_number(group, number) or old, old)


def _new_number(group: Group, number: Number) -> Name | None:
    return visit_number(group.pid if number.segment == "PID" else group.pv1, number.field)


HANDLERS: Final[dict[str, Handler]] = {
    **dict.fromkeys(("ADT^A18", "ADT^A30", "ADT^A34", "ADT^A39", "ADT^A40", "ADT^A43", "ADT^A47"), patients),
    **dict.fromkeys(("ADT^A35", "ADT^A41", "ADT^A44", "ADT^A49"), visits(ACCOUNT)),
    **dict.fromkeys(("ADT^A42", "ADT^A45", "ADT^A50"), visits(VISIT)),
    "ADT^A36": patients_and_accounts,
    "ADT^A51": visits(ALTERNATE_VISIT),
}
