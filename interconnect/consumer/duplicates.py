"""What a sender sends again is not applied again.

The same message is the one with the same sender (MSH-3, MSH-4), control id (MSH-10) and bytes. The control id alone
says little: senders reset their counters, and some put a constant there. Without a control id nothing can be told.
"""

from collections.abc import Sequence

from epicops.bulk import columns_of, sending_cursor
from interconnect.consumer.delivery import CONTROL_ID_REUSED, Delivery
from interconnect.models import InboundMessage

FIND = """
SELECT same.id, EXISTS (
    SELECT FROM interconnect_inboundmessage m
    WHERE m.control_id = w.control_id AND m.sending_application = w.application AND m.sending_facility = w.facility
      AND m.sha256 <> w.sha256)
FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[]) WITH ORDINALITY
     AS w(control_id, application, facility, sha256, place)
LEFT JOIN LATERAL (
    SELECT m.id FROM interconnect_inboundmessage m
    WHERE m.control_id = w.control_id AND m.sending_application = w.application AND m.sha256 = w.sha256
      AND m.sending_facility = w.facility AND m.status = 'applied' LIMIT 1) AS same ON true
ORDER BY w.place
"""


def set_aside(deliveries: Sequence[Delivery]) -> None:
    """Skip those that were applied before, and flag control ids that came before with other content.

    What a person has asked to replay is delivered whatever came before.
    """
    known = [d for d in deliveries if d.header.control_id and not (d.is_asked_for or d.duplicate_of)]
    seen: dict[tuple[str, ...], dict[bytes, int]] = {}  # in this batch: message ids by sender and control id, content
    for delivery, (applied, is_reused) in zip(known, _look_up(known), strict=True):
        earlier = seen.setdefault(delivery.header[1:], {})
        if original := applied or earlier.get(delivery.sha256):
            delivery.set_aside(original)
            continue
        delivery.is_control_id_reused = is_reused or any(content != delivery.sha256 for content in earlier)
        earlier[delivery.sha256] = delivery.message_id if delivery.events else 0


def sent_before(message: InboundMessage) -> int | None:
    """Return what a message is put beside: its original, or the last of its control ID that says something else."""
    if message.duplicate_of_id or message.reason != CONTROL_ID_REUSED:
        return message.duplicate_of_id
    same = InboundMessage.objects.filter(
        control_id=message.control_id,
        sending_application=message.sending_application,
        sending_facility=message.sending_facility,
        pk__lt=message.pk,
    )
    return same.exclude(sha256=message.sha256).values_list("pk", flat=True).first()


def _look_up(deliveries: Sequence[Delivery]) -> list[tuple[int | None, bool]]:
    rows = [(*delivery.header[1:], delivery.sha256) for delivery in deliveries]
    with sending_cursor() as cursor:
        cursor.execute(FIND, columns_of(rows, 4))
        return list(cursor.fetchall())
