"""The operators' pages for messages, dead letters, refused frames and feeds."""

from interconnect.admin.dead_letters import DeadLetterAdmin
from interconnect.admin.feeds import FeedAdmin
from interconnect.admin.messages import InboundMessageAdmin
from interconnect.admin.refused import RefusedFrameAdmin

__all__ = ["DeadLetterAdmin", "FeedAdmin", "InboundMessageAdmin", "RefusedFrameAdmin"]
