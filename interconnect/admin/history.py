"""What became of a message: its deliveries, from the first to the last replay."""

from typing import Final

from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from interconnect.models import InboundMessage

DELIVERIES: Final = """
WITH RECURSIVE earlier AS (
  SELECT id, replay_of_id FROM interconnect_inboundmessage WHERE id = %s
  UNION ALL
  SELECT message.id, message.replay_of_id
  FROM interconnect_inboundmessage message JOIN earlier ON message.id = earlier.replay_of_id
), delivery AS (
  SELECT id FROM earlier WHERE replay_of_id IS NULL
  UNION ALL
  SELECT message.id FROM interconnect_inboundmessage message JOIN delivery ON message.replay_of_id = delivery.id
)
SELECT id FROM delivery
"""


def deliveries(message: InboundMessage) -> QuerySet[InboundMessage]:
    """Return the original of `message` and all its replays, oldest first, each with batch and dead letter."""
    related = ("batch", "dead_letter", "dead_letter__replay_requested_by")
    ids = RawSQL(DELIVERIES, [message.pk])  # noqa: S611  a constant
    return InboundMessage.objects.filter(pk__in=ids).defer("raw").select_related(*related).order_by("pk")
