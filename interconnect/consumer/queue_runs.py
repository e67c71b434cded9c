"""Which run of the queue's server messages came from, and whether it lacks what the run before had."""

from typing import Any

from django.db import models
from django.db.models.functions import Now


class QueueRun(models.Model):
    """One server process that answered for the queue, from when it was first seen.

    It may be a replica that lagged, or have lost its last second: messages that were applied before may come back.
    Until those that waited when it was first seen are taken, the worker looks for such.
    """

    run_id = models.CharField(max_length=40)
    replication_id = models.CharField(max_length=40)
    offset = models.BigIntegerField(help_text="Of its replication stream, when last seen")
    seen_from = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now(), help_text="Last time")
    missing_bytes = models.BigIntegerField(
        null=True, help_text="Of the stream of the run before, as far as both servers tell; nothing for a restart"
    )
    last_message = models.BigIntegerField(help_text="Messages up to this one came from earlier runs")
    backlog = models.BigIntegerField(help_text="What waited when it was first seen")
    unchecked = models.BigIntegerField(help_text="How many of those are still to be taken")
    recognised = models.BigIntegerField(default=0, help_text="Messages that came back and were not applied again")

    class Meta:
        ordering = ("-id",)
        verbose_name = "run of the queue's server"
        verbose_name_plural = "runs of the queue's server"

    def __str__(self) -> str:
        return f"run {self.run_id[:8]}"

    @property
    def is_guarded(self) -> bool:
        return self.unchecked > 0

    @classmethod
    def latest(cls) -> "QueueRun | None":
        return cls.objects.order_by("-pk").first()

    @classmethod
    def of(cls, info: dict[str, Any], **fields: Any) -> "QueueRun":
        """Return a row for the server that gave this INFO."""
        return cls(
            run_id=info["run_id"], replication_id=info["master_replid"], offset=info["master_repl_offset"], **fields
        )
