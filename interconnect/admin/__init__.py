"""The operators' pages for messages and dead letters."""

from interconnect.admin.dead_letters import DeadLetterAdmin
from interconnect.admin.messages import InboundMessageAdmin

__all__ = ["DeadLetterAdmin", "InboundMessageAdmin"]
