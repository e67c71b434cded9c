"""Counting what each sender delivers, in the transaction that applies it."""

from collections import Counter
from collections.abc import Sequence

from django.db import connection

from epicops.bulk import columns_of
from interconnect.consumer.delivery import Delivery

COUNT = """
WITH counted AS (
    INSERT INTO interconnect_feed AS f
        (application, facility, messages, duplicates, reused, first_seen_at, last_seen_at)
    SELECT *, now(), now() FROM unnest(%s::text[], %s::text[], %s::int[], %s::int[], %s::int[])
        AS c(application, facility, messages, duplicates, reused) ORDER BY application, facility
    ON CONFLICT (application, facility) DO UPDATE SET
        messages = f.messages + excluded.messages, duplicates = f.duplicates + excluded.duplicates,
        reused = f.reused + excluded.reused, last_seen_at = excluded.last_seen_at
    RETURNING id, application, facility)
INSERT INTO interconnect_feedhour AS h (feed_id, hour, messages)
SELECT id, date_trunc('hour', now()), c.messages
FROM unnest(%s::text[], %s::text[], %s::int[]) AS c(application, facility, messages)
JOIN counted USING (application, facility)
ON CONFLICT (feed_id, hour) DO UPDATE SET messages = h.messages + excluded.messages
"""


def count(deliveries: Sequence[Delivery]) -> None:
    """Add the deliveries to their senders' figures, in the transaction at hand."""
    first_hand = [delivery for delivery in deliveries if not delivery.replay_of]
    if not first_hand:
        return
    messages = Counter(delivery.header[2:] for delivery in first_hand)
    duplicates = Counter(delivery.header[2:] for delivery in first_hand if delivery.duplicate_of)
    reused = Counter(delivery.header[2:] for delivery in first_hand if delivery.is_control_id_reused)
    rows = [(*sender, number, duplicates[sender], reused[sender]) for sender, number in messages.items()]
    columns = columns_of(rows, 5)
    with connection.cursor() as cursor:
        cursor.execute(COUNT, [*columns, *columns[:3]])
