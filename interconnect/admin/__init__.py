"""The operators' pages for messages, dead letters and failures."""

from interconnect.admin.dead_letters import DeadLetterAdmin
from interconnect.admin.discard import DiscardAdmin
from interconnect.admin.failures import FailureGroupAdmin
from interconnect.admin.messages import InboundMessageAdmin

__all__ = ["DeadLetterAdmin", "DiscardAdmin", "FailureGroupAdmin", "InboundMessageAdmin"]
