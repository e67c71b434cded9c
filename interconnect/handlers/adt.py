"""ADT events that say where a patient is, or who they are (chapter 3.3). The table is in docs/hl7-interface.md."""

from datetime import datetime
from typing import Final

from interconnect.handlers.fields import (
    identity,
    is_ahead,
    location,
    missing_field,
    missing_segment,
    readable_time,
    required,
    time,
    visit_of,
)
from interconnect.handlers.interpretation import Handler, Interpretation
from interconnect.handlers.plan import planned
from interconnect.hl7.er7 import Message, Segment
from interconnect.hl7.rejected import MessageRejected
from vitals.events import Event, Location, PatientDeleted, PatientDescribed, PatientMoved
from vitals.models import Movement

Kind = Movement.Kind

ASSIGNED, PRIOR, TEMPORARY, PENDING = 3, 6, 11, 42  # locations of PV1
DISCHARGED_AT: Final = 45  # of PV1
INPATIENT: Final = "I"  # PV1-2, table 0004: an outpatient may be registered without a place, an inpatient has a bed


def moves(kind: Movement.Kind) -> Handler:
    """Return the handler of an event that is about one patient's place."""

    def handle(message: Message) -> Interpretation:
        pid = required(message, "PID")
        pv1 = message.first("PV1") or _no_visit(message, kind)
        event = _moved(message, pid, pv1, kind)
        remark = "" if event.location or kind is not Kind.ADMIT else "no location"
        return Interpretation((event, *planned(message, event.identity, event.stated_at)), remark)

    return handle


def moves_if_placed(otherwise: Movement.Kind) -> Handler:
    """Return the handler of an event that may come without a new place: then nobody moves."""

    def handle(message: Message) -> Interpretation:
        pv1 = required(message, "PV1")
        is_placed = location(pv1, ASSIGNED) and not location(pv1, TEMPORARY)
        return moves(Kind.TRANSFER if is_placed else otherwise)(message)

    return handle


def swapped(message: Message) -> Interpretation:
    """A17: two patients, each with the place they have now (chapter 3.3.17)."""
    pairs: list[Event] = []
    pid: Segment | None = None
    for segment in message.segments:
        if segment.name == "PID":
            pid = segment
        elif segment.name == "PV1" and pid:
            pairs.append(_moved(message, pid, segment, Kind.TRANSFER))
    if len(pairs) != 2:  # noqa: PLR2004  a swap
        raise MessageRejected("missing-segment", "A swap needs two patients with PID and PV1", path="PID", code="100")
    return Interpretation(tuple(pairs))


def described(message: Message) -> Interpretation:
    """A08, A28, A31: details. PV1-3 of an update is what the sender last knew, not where the patient went."""
    event = describe(message, required(message, "PID"))
    return Interpretation((event, *planned(message, event.identity, event.stated_at)))


def linked(message: Message) -> Interpretation:
    """A24, A37: the same person has two records, or not after all; both stay, with the details stated here."""
    required(message, "PID")
    return Interpretation(tuple(describe(message, pid) for pid in message.all("PID")), "a link moves nobody")


def deleted(message: Message) -> Interpretation:
    return Interpretation((PatientDeleted(identity(required(message, "PID")), stated_at(message)),))


def describe(message: Message, pid: Segment) -> PatientDescribed:
    return PatientDescribed(identity(pid), stated_at(message))


def stated_at(message: Message) -> datetime:
    """Return when the sender said it: MSH-7, else EVN-2."""
    stated = readable_time(message.header, 7) or time(message.first("EVN"), 2)
    if stated is None:
        raise missing_field("The message has no time", "MSH-7")
    return stated


def _moved(message: Message, pid: Segment, pv1: Segment, kind: Movement.Kind) -> PatientMoved:
    place = _place(pv1, kind)
    if place is None and (kind is Kind.TRANSFER or (kind is Kind.ADMIT and pv1.get(2) == INPATIENT)):
        raise missing_field("The assigned patient location is empty", "PV1-3")
    evn = message.first("EVN")
    effective = time(evn, 6)
    entered = readable_time(evn, 2) if evn and effective else time(evn, 2)  # beside EVN-6 nothing depends on it
    stated = readable_time(message.header, 7) if entered or effective else time(message.header, 7)
    recorded_at = entered or stated or effective
    # Never PV1-44: that is the admission's, in every message of the visit.
    occurred_at = effective or recorded_at
    if kind is Kind.DISCHARGE:
        left_at = time(pv1, DISCHARGED_AT, may_be_ahead=True)  # ahead: as it was planned
        occurred_at = left_at if left_at and not is_ahead(left_at) else occurred_at
    if occurred_at is None:
        raise missing_field("The event has no time", "EVN-2")
    return PatientMoved(
        identity=identity(pid),
        stated_at=stated or occurred_at,
        visit=visit_of(pid, pv1),
        kind=kind,
        occurred_at=occurred_at,
        recorded_at=recorded_at or occurred_at,
        location=place,
        prior_location=location(pv1, PRIOR) if kind in (Kind.TRANSFER, Kind.CANCEL_TRANSFER) else None,
    )


def _no_visit(message: Message, kind: Movement.Kind) -> Segment:
    """Return an empty PV1 for an admission, which tells of a patient all the same; nobody else can do without one."""
    if kind is not Kind.ADMIT:
        raise missing_segment("PV1")
    return Segment("PV1", message.encoding)


def _place(pv1: Segment, kind: Movement.Kind) -> Location | None:
    if kind is Kind.TRANSFER_PENDING:
        return location(pv1, PENDING)
    return location(pv1, ASSIGNED) if kind in PLACED else None


PLACED: Final = (Kind.ADMIT, Kind.TRANSFER, Kind.CANCEL_TRANSFER, Kind.CANCEL_DISCHARGE, Kind.EXPECTED)

HANDLERS: Final[dict[str, Handler]] = {
    "ADT^A01": moves(Kind.ADMIT),
    "ADT^A02": moves(Kind.TRANSFER),
    "ADT^A03": moves(Kind.DISCHARGE),
    "ADT^A04": moves(Kind.ADMIT),
    "ADT^A05": moves(Kind.EXPECTED),
    "ADT^A06": moves_if_placed(Kind.CLASS_CHANGED),
    "ADT^A07": moves_if_placed(Kind.CLASS_CHANGED),
    "ADT^A08": described,
    "ADT^A09": moves(Kind.DEPARTED),
    "ADT^A10": moves_if_placed(Kind.RETURNED),
    "ADT^A11": moves(Kind.CANCEL_ADMIT),
    "ADT^A12": moves(Kind.CANCEL_TRANSFER),
    "ADT^A13": moves(Kind.CANCEL_DISCHARGE),
    "ADT^A14": moves(Kind.EXPECTED),
    "ADT^A15": moves(Kind.TRANSFER_PENDING),
    "ADT^A16": moves(Kind.DISCHARGE_PENDING),
    "ADT^A17": swapped,
    "ADT^A21": moves(Kind.DEPARTED),
    "ADT^A22": moves(Kind.RETURNED),
    "ADT^A23": moves(Kind.DELETE),
    "ADT^A24": linked,
    "ADT^A25": moves(Kind.CANCEL_PENDING),
    "ADT^A26": moves(Kind.CANCEL_PENDING),
    "ADT^A27": moves(Kind.CANCEL_PENDING),
    "ADT^A28": described,
    "ADT^A29": deleted,
    "ADT^A31": described,
    "ADT^A33": moves(Kind.RETURNED),
    "ADT^A37": linked,
    "ADT^A38": moves(Kind.CANCEL_PENDING),
}
