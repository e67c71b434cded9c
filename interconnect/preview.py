"""What a message would do if it were delivered now, for people who are about to replay it."""

from interconnect import er7
from interconnect.handlers import interpret
from interconnect.interpretation import MessageSkipped
from interconnect.rejected import MessageRejected
from vitals import preview
from vitals.codes import local_codes


def preview_message(raw: bytes) -> tuple[preview.Preview, str, MessageRejected | None]:
    """Return the effect, a remark, and what is wrong with the message, if anything. Changes nothing.

    A message that would be skipped or dead has no effect; the remark or the rejection says why.
    """
    nothing = preview.Preview((), ())
    try:
        interpretation = interpret(er7.parse(raw), local_codes())
    except MessageSkipped as skipped:
        return nothing, str(skipped), None
    except MessageRejected as rejected:
        return nothing, "", rejected
    return preview.preview(interpretation.events), interpretation.remark, interpretation.problem
