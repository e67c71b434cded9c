"""Guarded mode: after a failover or a restart, messages that were applied before may come back as new ones.

Redis replicates asynchronously, so a claim or an acknowledgement can be undone by a failover. What comes back then has
the bytes of a message applied shortly before, and comes back as often as it had come. Only the messages that waited
when the server was first seen can be such; once they are taken, identical bytes are two messages again.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import F, Max
from django.db.models.functions import Greatest, Now

from audit.models import AuditEvent
from epicops.bulk import columns_of
from epicops.redis_client import Redis
from interconnect.consumer.delivery import Delivery
from interconnect.consumer.queue import ServerChanged, depth
from interconnect.models import InboundMessage, QueueRun

logger = logging.getLogger(__name__)

LAG: Final = timedelta(seconds=30)  # by how much a replica may have lagged; min-replicas-max-lag asks for much less

# Deliveries of before the change that none of the messages since has been recognised as yet.
FIND: Final = """
SELECT w.place, m.id
FROM unnest(%s::text[], %s::text[], %s::bytea[]) WITH ORDINALITY AS w(control_id, application, sha256, place)
JOIN interconnect_inboundmessage m ON m.control_id = w.control_id AND m.sending_application = w.application
  AND m.sha256 = w.sha256 AND m.id <= %s AND m.applied_at >= %s AND m.replay_of_id IS NULL
WHERE NOT EXISTS (SELECT FROM interconnect_inboundmessage c WHERE c.duplicate_of_id = m.id AND c.id > %s)
ORDER BY w.place, m.id
"""


class Guard:
    """What is known of the server that answers now; ServerChanged where that is not the one of `run_id`.

    The owner of lane 0 is the one to notice a change; the other lanes wait for it.
    """

    def __init__(self, client: Redis, worker: str, run_id: str, lane: int = 0) -> None:
        self._client = client
        self._worker = worker
        info = self._info()
        if info["run_id"] != run_id:
            raise ServerChanged
        previous = QueueRun.latest()
        if previous and previous.run_id == info["run_id"]:
            self.run = previous
        elif lane:
            raise ServerChanged
        else:
            self.run = self._begin(previous, info)
        self._since = self._window_start()

    def note(self) -> None:
        """Remember how far the server is, for comparison with the next one; ServerChanged where that is here."""
        info = self._info()
        if info["run_id"] != self.run.run_id:
            raise ServerChanged
        QueueRun.objects.filter(pk=self.run.pk).update(offset=info["master_repl_offset"], seen_at=Now())

    def recognise(self, deliveries: Sequence[Delivery]) -> int:
        """Set aside those that came before the change; return how many. Does nothing outside guarded mode."""
        if not self.run.is_guarded:
            return 0
        rows = [(d.header.control_id, d.header.sending_application, d.sha256) for d in deliveries]
        limits = [self.run.last_message, self._since, self.run.last_message]
        earlier: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        with connection.cursor() as cursor:
            cursor.execute(FIND, [*columns_of(rows, 3), *limits])
            for place, message_id in cursor.fetchall():
                if message_id not in (ids := earlier[rows[place - 1]]):
                    ids.append(message_id)
        found = 0
        for delivery, row in zip(deliveries, rows, strict=True):
            if earlier[row]:
                delivery.come_back(earlier[row].pop(0))
                found += 1
        return found

    def passed(self, taken: int, recognised: int) -> None:
        """Count messages that have been committed; the last one of the backlog ends guarded mode."""
        if not self.run.is_guarded:
            return
        guarded = QueueRun.objects.filter(pk=self.run.pk, unchecked__gt=0)  # other lanes count, too
        with transaction.atomic():
            left = Greatest(F("unchecked") - taken, 0)
            is_counted = guarded.update(unchecked=left, recognised=F("recognised") + recognised)
            self.run.refresh_from_db()
            if is_counted and self.run.unchecked == 0:
                self._record("queue.guard.end", {"recognised": self.run.recognised})

    def _begin(self, previous: QueueRun | None, info: dict[str, Any]) -> QueueRun:
        backlog = sum(depth(self._client)) if previous else 0
        last = InboundMessage.objects.aggregate(last=Max("pk"))["last"] or 0
        self.run = QueueRun.of(info, last_message=last, backlog=backlog, unchecked=backlog)
        if previous is None:
            self.run.save()
            return self.run
        self.run.missing_bytes = _missing_bytes(previous, info)
        with transaction.atomic():
            self.run.save()
            detail = {"backlog": backlog, "missing_bytes": self.run.missing_bytes, "previous": previous.pk}
            self._record("queue.guard.begin", detail)
        logger.warning("another server answers for the queue", extra={"run": self.run.pk, "backlog": backlog})
        return self.run

    def _window_start(self) -> datetime | None:
        previous = QueueRun.objects.filter(pk__lt=self.run.pk).order_by("-pk").first()
        return previous.seen_at - LAG if previous else None

    def _info(self) -> dict[str, Any]:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.info("server")
        pipeline.info("replication")
        server, replication = pipeline.execute()
        return {**server, **replication}

    def _record(self, code: str, detail: dict[str, Any]) -> None:
        AuditEvent.objects.record(
            AuditEvent.Action.EXECUTE,
            code,
            actor=self._worker,
            object_type="queuerun",
            object_id=self.run.pk,
            detail=detail,
        )


def _missing_bytes(previous: QueueRun, info: dict[str, Any]) -> int | None:
    """Return how much of the earlier stream this server never got; None where it does not continue that stream."""
    if info["master_replid"] == previous.replication_id:
        return max(previous.offset - int(info["master_repl_offset"]), 0)
    if info.get("master_replid2") == previous.replication_id:
        return max(previous.offset - (int(info["second_repl_offset"]) - 1), 0)
    return None
