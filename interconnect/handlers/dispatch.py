"""What each kind of message means for patients. HL7 chapters and tables are those of v2.5.1."""

from django.conf import settings

from interconnect.handlers import adt, merges, oru
from interconnect.handlers.interpretation import Interpretation, MessageSkipped
from interconnect.hl7.er7 import Message
from vitals.codes import LocalCodes

HANDLERS = adt.HANDLERS | merges.HANDLERS


def interpret(message: Message, local_codes: LocalCodes) -> Interpretation:
    """Return what the message says, else raise MessageSkipped or MessageRejected.

    A message that is not of the production system (MSH-11, table 0103) is skipped: tests must not move patients.
    """
    if (processing_id := message.processing_id) not in settings.EPICOPS_PROCESSING_IDS:
        raise MessageSkipped(f"not a production message: MSH-11 is {processing_id[:3] or 'empty'}")
    if message.message_type == "ORU^R01":
        return oru.measured(message, local_codes)
    handler = HANDLERS.get(message.message_type)
    if handler is None:
        raise MessageSkipped("no handler for this event" if message.message_type else "no message type (MSH-9)")
    return handler(message)
