"""Forgetting what dead letters said, by an explicit decision only: nothing expires by itself.

The rows stay, with control id, checksum, error, decisions and audit, so that every account still adds up. What goes is
what names a patient: the bytes, those of the edits, and the tokens they are found by.
"""

from datetime import timedelta
from typing import Final

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit.models import AuditEvent
from interconnect.dlq.failures import REVERSIBLE_FOR
from interconnect.models import DeadLetter, DeadLetterQuerySet, InboundMessage, MessageTokens, Revision

SETTLED: Final = (DeadLetter.State.RESOLVED, DeadLetter.State.FAILED_AGAIN, DeadLetter.State.DISCARDED)
FORGOTTEN: Final = "body removed by retention"
SLICE: Final = 1000


def forgettable(older_than: timedelta) -> DeadLetterQuerySet:
    """Return the settled letters that failed so long ago; a discard that can still be taken back is not settled."""
    now = timezone.now()
    fresh = Q(state=DeadLetter.State.DISCARDED, discard__discarded_at__gt=now - REVERSIBLE_FOR)
    settled = DeadLetter.objects.filter(state__in=SETTLED, failed_at__lt=now - older_than).exclude(fresh)
    return settled.exclude(message__reason=FORGOTTEN)


def forget(letters: DeadLetterQuerySet, *, by: AbstractBaseUser) -> int:
    """Remove the bodies of these letters, a slice a transaction; return how many. Cannot be taken back."""
    count = 0
    while ids := list(letters.order_by("pk").values_list("message", flat=True)[:SLICE]):
        with transaction.atomic():
            Revision.objects.filter(message__in=ids).update(raw=b"")
            MessageTokens.objects.filter(message__in=ids).delete()
            InboundMessage.objects.filter(pk__in=ids).update(raw=b"", reason=FORGOTTEN)
            AuditEvent.objects.record(
                AuditEvent.Action.DELETE,
                "message.forget",
                actor=by,
                object_type="inboundmessage",
                detail={"count": len(ids), "ids": ids},
            )
        count += len(ids)
    return count
