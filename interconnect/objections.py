"""Why something that arrived cannot be accepted as a message, and which answer says so."""

import re
from dataclasses import dataclass
from typing import Final

from interconnect.ack import PADDING, Error, header
from interconnect.mllp import Event, Fault, Frame

SECOND_MSH: Final = re.compile(rb"[\r\n]MSH")
UTF_16: Final = (b"\xff\xfe", b"\xfe\xff", b"M\0S\0H", b"\0M\0S\0H")


@dataclass(frozen=True, slots=True)
class Objection:
    """`code` is AR when the same bytes will never do, AE when they may, empty where no answer is expected."""

    code: str
    error: Error


START: Final = ("MSH", "1")
EMPTY: Final = Objection("AR", Error("101", "The frame is empty", START))
NOT_HL7: Final = Objection("AR", Error("100", "The frame does not begin with an MSH segment", START))
BATCH: Final = Objection("AR", Error("100", "This interface takes messages, not batches", START))
NOT_ASCII: Final = Objection("AR", Error("102", "UTF-16 is not supported", START))
SEVERAL: Final = Objection("AR", Error("100", "The frame has more than one MSH segment", ("MSH", "2")))
NO_CONTROL_ID: Final = Objection("AR", Error("101", "MSH-10 is empty", ("MSH", "1", "10")))
OVERSIZE: Final = Objection("AR", Error("207", "The frame is larger than this receiver takes"))
NOT_STORED: Final = Objection("AE", Error("207", "The message could not be stored; send it again"))

OF_FAULT: Final = {
    Fault.JUNK: Objection("", Error("100", "Bytes between frames")),
    Fault.RESTARTED: Objection("", Error("100", "A frame began inside a frame; the first one was dropped")),
    Fault.OVERSIZE: OVERSIZE,
    Fault.UNFINISHED: Objection("AE", Error("207", "The frame has no end; send it again")),
    Fault.UNFRAMED: Objection("AR", Error("100", "The message is not framed as MLLP asks (VT message FS CR)")),
    Fault.FOREIGN: Objection("AR", Error("100", "This is not MLLP")),
}


def objection(event: Event) -> Objection | None:
    """Return what speaks against it, or None for a frame that can be stored."""
    return of_payload(event.payload) if isinstance(event, Frame) else OF_FAULT[event.fault]


def of_payload(raw: bytes) -> Objection | None:
    if (msh := header(raw)) is None:
        return _of_another_kind(raw.lstrip(PADDING))
    if SECOND_MSH.search(raw.lstrip(PADDING)):
        return SEVERAL
    return None if msh.field(10) else NO_CONTROL_ID


def _of_another_kind(raw: bytes) -> Objection:
    if not raw:
        return EMPTY
    if raw.startswith((b"FHS", b"BHS")):
        return BATCH
    return NOT_ASCII if raw.startswith(UTF_16) else NOT_HL7
