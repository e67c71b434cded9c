"""PV2 and PV1: what the sender plans for a visit, and what whoever comes to the bed must know."""

from datetime import datetime
from typing import Final

from interconnect.handlers.fields import readable_time, text, visit_of
from interconnect.hl7.er7 import Message, Segment
from vitals.events import Identity, VisitPlanned
from vitals.plans import AMBULATORY_STATUS, BED_STATUS, PRECAUTIONS, Flag

EXPECTED_DISCHARGE: Final = 9  # of PV2
AMBULATORY, BED, PRECAUTION = 15, 40, 41  # of PV1, PV1 and PV2


def planned(message: Message, identity: Identity, stated_at: datetime) -> tuple[VisitPlanned, ...]:
    """Return the plan of a message that has PV2: all of it, so that what is no longer said no longer holds.

    Without PV2 a stated PV1-15 holds alone: who is pregnant is so without a plan.
    """
    pv1, pv2 = message.first("PV1"), message.first("PV2")
    if pv2 is None and not (pv1 and pv1.field(AMBULATORY)):
        return ()
    visit = visit_of(message.first("PID"), pv1)
    status = _flags(pv1, AMBULATORY, AMBULATORY_STATUS)
    if pv2 is None:
        return (VisitPlanned(identity, stated_at, visit, None, None, status),)
    expected_at = readable_time(pv2, EXPECTED_DISCHARGE, may_be_ahead=True)
    flags = (*_flags(pv1, BED, BED_STATUS), *_flags(pv2, PRECAUTION, PRECAUTIONS))
    return (VisitPlanned(identity, stated_at, visit, expected_at, flags, status),)


def _flags(segment: Segment | None, position: int, meanings: dict[str, Flag]) -> tuple[str, ...]:
    if segment is None:
        return ()
    codes = (text(segment.get(position, repetition=n)) for n in range(1, segment.repetitions(position) + 1))
    return tuple(dict.fromkeys(str(meanings[code]) for code in codes if code in meanings))
