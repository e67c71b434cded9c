"""PV2: what the sender plans for a visit, and what whoever comes to the bed must know."""

from datetime import datetime
from typing import Final

from interconnect.handlers.fields import readable_time, text, visit_of
from interconnect.hl7.er7 import Message
from vitals.events import Identity, VisitPlanned
from vitals.plans import AMBULATORY_STATUS, BED_STATUS, PRECAUTIONS

EXPECTED_DISCHARGE: Final = 9  # of PV2
FLAGS: Final = (("PV1", 15, AMBULATORY_STATUS), ("PV1", 40, BED_STATUS), ("PV2", 41, PRECAUTIONS))


def planned(message: Message, identity: Identity, stated_at: datetime) -> tuple[VisitPlanned, ...]:
    """Return the plan of a message that has PV2: all of it, so that what is no longer said no longer holds."""
    pv2 = message.first("PV2")
    if pv2 is None:
        return ()
    visit = visit_of(message.first("PID"), message.first("PV1"))
    expected_at = readable_time(pv2, EXPECTED_DISCHARGE, may_be_ahead=True)
    return (VisitPlanned(identity, stated_at, visit, expected_at, tuple(_flags(message))),)


def _flags(message: Message) -> list[str]:
    found = []
    for name, position, meanings in FLAGS:
        if (segment := message.first(name)) and segment.field(position):
            codes = (text(segment.get(position, repetition=n)) for n in range(1, segment.repetitions(position) + 1))
            found += [meanings[code] for code in codes if code in meanings]
    return list(dict.fromkeys(str(flag) for flag in found))
