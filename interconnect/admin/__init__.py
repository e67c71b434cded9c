"""The operators' pages of the HL7 interface."""

from interconnect.admin.dead_letters import DeadLetterAdmin
from interconnect.admin.discard import DiscardAdmin
from interconnect.admin.failures import FailureGroupAdmin
from interconnect.admin.feeds import FeedAdmin
from interconnect.admin.flow import BatchAdmin
from interconnect.admin.messages import InboundMessageAdmin
from interconnect.admin.pauses import PauseAdmin
from interconnect.admin.queue_runs import QueueRunAdmin
from interconnect.admin.redrive import RedriveAdmin
from interconnect.admin.refused import RefusedFrameAdmin
from interconnect.admin.repairs import RepairAdmin

__all__ = [
    "BatchAdmin",
    "DeadLetterAdmin",
    "DiscardAdmin",
    "FailureGroupAdmin",
    "FeedAdmin",
    "InboundMessageAdmin",
    "PauseAdmin",
    "QueueRunAdmin",
    "RedriveAdmin",
    "RefusedFrameAdmin",
    "RepairAdmin",
]
