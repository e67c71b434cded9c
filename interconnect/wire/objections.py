"""Why something that arrived cannot be accepted as a message, and which answer says so."""

from dataclasses import dataclass
from typing import Final

from interconnect.wire.ack import PADDING, Error, header
from interconnect.wire.mllp import Event, Fault, Frame

SECOND_MSH: Final = (b"\rMSH", b"\nMSH")
UTF_16: Final = (b"\xff\xfe", b"\xfe\xff", b"M\0S\0H", b"\0M\0S\0H")


@dataclass(frozen=True, slots=True)
class Objection:
    """`code` is AR when the same bytes will never do, AE when they may, empty where no answer is expected."""

    code: str
    error: Error


Sender = tuple[bytes, bytes]  # MSH-3.1 and MSH-4.1; an empty facility stands for any
Senders = frozenset[Sender]
ANYBODY: Final[Senders] = frozenset()
START: Final = ("MSH", "1")
EMPTY: Final = Objection("AR", Error("101", "The frame is empty", START))
NOT_HL7: Final = Objection("AR", Error("100", "The frame does not begin with an MSH segment", START))
BATCH: Final = Objection("AR", Error("100", "This interface takes messages, not batches", START))
NOT_ASCII: Final = Objection("AR", Error("102", "UTF-16 is not supported", START))
SEVERAL: Final = Objection("AR", Error("100", "The frame has more than one MSH segment", ("MSH", "2")))
NO_CONTROL_ID: Final = Objection("AR", Error("101", "MSH-10 is empty", ("MSH", "1", "10")))
STRANGER: Final = Objection("AR", Error("103", "MSH-3 and MSH-4 name no sender of this listener", ("MSH", "1", "3")))
OVERSIZE: Final = Objection("AR", Error("207", "The frame is larger than this receiver takes"))
UNFINISHED: Final = Objection("AE", Error("207", "The frame has no end; send it again"))
NOT_STORED: Final = Objection("AE", Error("207", "The message could not be stored; send it again"))

OF_FAULT: Final = {
    Fault.JUNK: Objection("", Error("100", "Bytes between frames")),
    Fault.RESTARTED: Objection("", Error("100", "A frame began inside a frame; the first one was dropped")),
    Fault.OVERSIZE: OVERSIZE,
    Fault.DROPPED: Objection("AE", Error("207", "This receiver is short of memory; send it again")),
    Fault.UNFINISHED: UNFINISHED,
    Fault.UNFRAMED: Objection("AR", Error("100", "The message is not framed as MLLP asks (VT message FS CR)")),
    Fault.FOREIGN: Objection("AR", Error("100", "This is not MLLP")),
}


def objection(event: Event, senders: Senders = ANYBODY) -> Objection | None:
    """Return what speaks against it, or None for a frame of one of `senders` that can be stored."""
    return of_payload(event.payload, senders) if isinstance(event, Frame) else OF_FAULT[event.fault]


def of_payload(raw: bytes, senders: Senders = ANYBODY) -> Objection | None:
    if (msh := header(raw)) is None:
        return _of_another_kind(raw.lstrip(PADDING))
    if any(second in raw.lstrip(PADDING) for second in SECOND_MSH):
        return SEVERAL
    if not msh.field(10):
        return NO_CONTROL_ID
    application, facility = msh.component(3, 1), msh.component(4, 1)
    is_known = not senders or {(application, facility), (application, b"")} & senders
    return None if is_known else STRANGER


def _of_another_kind(raw: bytes) -> Objection:
    if not raw:
        return EMPTY
    if raw.startswith((b"FHS", b"BHS")):
        return BATCH
    return NOT_ASCII if raw.startswith(UTF_16) else NOT_HL7
