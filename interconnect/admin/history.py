"""What became of messages: their deliveries, from the first to the last replay."""

from collections.abc import Iterable
from typing import Final

from django.db.models import Prefetch, QuerySet
from django.db.models.expressions import RawSQL

from interconnect.models import InboundMessage, Revision

DELIVERIES: Final = """
WITH RECURSIVE earlier AS (
  SELECT id, replay_of_id FROM interconnect_inboundmessage WHERE id = ANY(%s)
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
REVISIONS: Final = Prefetch("revisions", Revision.objects.select_related("edited_by").defer("raw").order_by("pk"))


def deliveries(*pks: int) -> QuerySet[InboundMessage]:
    """Return the originals of these messages and all their replays, oldest first, each with batch and dead letter."""
    related = ("batch", "dead_letter", "dead_letter__replay_requested_by")
    ids = RawSQL(DELIVERIES, [list(pks)])  # noqa: S611  a constant
    return InboundMessage.objects.filter(pk__in=ids).defer("raw").select_related(*related).order_by("pk")


def chains(pks: Iterable[int]) -> dict[int, list[InboundMessage]]:
    """Return for each message its deliveries with their revisions; three queries."""
    chain_of: dict[int, list[InboundMessage]] = {}
    for message in deliveries(*pks).prefetch_related(REVISIONS):
        chain = chain_of[message.replay_of_id] if message.replay_of_id else []
        chain.append(message)
        chain_of[message.pk] = chain
    return {pk: chain_of[pk] for pk in pks if pk in chain_of}
