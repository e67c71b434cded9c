"""Keeping a message that is too large to be read: all of its bytes, but never all of them in this process."""

from collections.abc import Iterable
from functools import partial

from epicops.bulk import sending_cursor
from interconnect.consumer.delivery import Delivery
from interconnect.consumer.queue import Claim, InboundQueue
from interconnect.hl7 import er7


def refused(queue: InboundQueue, claim: Claim) -> Delivery:
    """Return the one message of this claim as a dead letter; its beginning says from whom it is, and about whom."""
    delivery = Delivery(0, claim.messages[0], verdict=er7.too_large(), slices=partial(queue.slices, claim))
    return delivery.interpret()


def keep(deliveries: Iterable[Delivery]) -> None:
    """Complete the rows that have only the beginning of their message, in the transaction at hand.

    PostgreSQL puts the slices together as a large object, which then becomes the row's value.
    """
    for delivery in deliveries:
        if delivery.slices:
            with sending_cursor() as cursor:
                cursor.execute("SELECT lo_create(0)")
                [(oid,)] = cursor.fetchall()
                size = 0
                for part in delivery.slices():
                    cursor.execute("SELECT lo_put(%s::oid, %s::bigint, %s::bytea)", [oid, size, part])
                    size += len(part)
                cursor.execute(
                    "UPDATE interconnect_inboundmessage SET raw = lo_get(%s::oid) WHERE id = %s::bigint",
                    [oid, delivery.message_id],
                )
                cursor.execute("SELECT lo_unlink(%s::oid)", [oid])
