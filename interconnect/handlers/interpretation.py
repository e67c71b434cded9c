"""The outcome of reading a message."""

from collections.abc import Callable
from typing import NamedTuple

from interconnect.hl7.er7 import Message
from interconnect.hl7.rejected import MessageRejected
from vitals.events import Event


class MessageSkipped(Exception):  # noqa: N818  not an error: the message asks nothing of us
    """The message is kept and has no effect; the text says why."""


class Interpretation(NamedTuple):
    """What a message says. With a `problem` a part of it could not be used; the rest is applied all the same."""

    events: tuple[Event, ...]
    remark: str = ""
    problem: MessageRejected | None = None


Handler = Callable[[Message], Interpretation]
