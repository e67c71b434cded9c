"""Messages accepted while the queue's server was away: they wait in PostgreSQL, and newer ones wait behind them."""

from collections.abc import Sequence

from django.db import connection, models, transaction
from django.db.models.functions import Now

from epicops.redis_client import Redis
from interconnect.wire.push import push, require_ready

MOVE_LOCK = 0x49_4E  # "IN": one process at a time moves rows, so that their order on the queue is that of their ids
SLICE_ROWS = 500
SLICE_BYTES = 16 * 1024 * 1024


class InboxMessage(models.Model):
    """A message on its way to the queue; the row is gone once it is there."""

    raw = models.BinaryField()  # as on the queue: sealed where the settings have a key ring
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()  # nobody opens these: in a moment they are inbound messages

    def __str__(self) -> str:
        return f"Inbox message #{self.pk}"


def keep(values: Sequence[bytes]) -> None:
    """Store messages as `sealed` returns them, oldest first, in one transaction."""
    InboxMessage.objects.bulk_create(InboxMessage(raw=raw) for raw in values)


def move(queue: Redis) -> int:
    """Put every row on the queue, oldest first; return how many.

    When it returns, everything that was committed to the inbox before the call is on the queue. A crash between the
    push and the commit leaves rows that are moved again: the worker recognises the second copy.
    """
    moved = 0
    require_ready(queue)
    while InboxMessage.objects.exists() and (number := _move_slice(queue)):
        moved += number
    return moved


def _move_slice(queue: Redis) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [MOVE_LOCK])
        cursor.execute(
            """SELECT id, raw FROM (
                 SELECT id, raw, sum(length(raw)) OVER (ORDER BY id) - length(raw) AS before
                 FROM (SELECT id, raw FROM interconnect_inboxmessage ORDER BY id LIMIT %s) AS oldest
               ) AS counted WHERE before < %s ORDER BY id""",
            [SLICE_ROWS, SLICE_BYTES],
        )
        rows = cursor.fetchall()
        if rows:
            push(queue, [bytes(raw) for _, raw in rows])
            cursor.execute("DELETE FROM interconnect_inboxmessage WHERE id = ANY(%s)", [[pk for pk, _ in rows]])
        return len(rows)
