"""Whether Redis and the registry tell the same of every session: the proof after a soak or an incident.

Sessions go on while they are compared. What differs is looked at again, and counts if it still does.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final, NamedTuple

from django.db.models import Count
from django.db.models.functions import Now
from django.utils.timezone import now

from audit.models import AuditEvent
from epicops.bulk import chunks
from epicops.redis_client import sessions_command_client
from sessions_app.hashes import Look, look
from sessions_app.ids import is_session_id, key_hash
from sessions_app.live import LIVE, Reason, ids
from sessions_app.models import SessionRecord
from sessions_app.stores import CHECKPOINT_MS

CHUNK: Final = 500
AGAIN: Final = 1.0  # seconds; a write is through both stores by then
GRACE: Final = timedelta(seconds=90)  # how late the sweeper may be
SLACK_MS: Final = 5_000  # between a page and its checkpoint, on a busy machine
SAME: Final = ("ver", "user_id", "role", "department", "portal", "bg_until", "bg_ref")
READ: Final = (*SAME, "seen")
Advance = Callable[[int], object]


class Difference(NamedTuple):
    """What is wrong with one session, known by its hash in the registry."""

    kind: str
    key_hash: str


def quietly(_number: int) -> None:
    """Tell nobody."""


def differences(advance: Advance = quietly) -> Counter[str]:
    """Count what differs, by kind; empty when both stores and the audit trail agree.

    `advance` hears after each step how many sessions were compared in it.
    """
    found = set(compare(advance))
    if found:
        time.sleep(AGAIN)
        found &= set(compare(advance))
    return Counter(difference.kind for difference in found)


def compare(advance: Advance) -> Iterator[Difference]:
    yield from from_registry(advance)
    yield from from_redis(advance)
    yield from from_audit(advance)


def from_registry(advance: Advance = quietly) -> Iterator[Difference]:
    """Compare each live row with its hash."""
    for chunk in LIVE.annotate(read_at=Now()).in_turns(CHUNK):
        for record, seen in zip(chunk, look(sessions_command_client(), ids(chunk), READ), strict=True):
            yield from (Difference(kind, record.pk) for kind in faults(record, seen))
        advance(len(chunk))


def faults(record: Any, found: Look) -> Iterator[str]:
    """Name what is wrong between a live row and its hash."""
    if found.values[0] is None:
        ends_at = min(record.last_activity + timedelta(milliseconds=record.idle), record.deadline)
        if ends_at > record.read_at:
            yield "live without a hash"
        elif ends_at + GRACE < record.read_at:
            yield "ran out and not swept"
        return
    *same, seen = [(value or b"").decode() for value in found.values]
    if same != [str(value if (value := getattr(record, name)) is not None else "") for name in SAME]:
        yield "row and hash differ"
    if not 0 < found.ttl <= record.idle:
        yield "limit missing or too long"
    rest = (record.read_at - record.last_activity) / timedelta(milliseconds=1)
    if not seen.isdecimal():
        yield "no time of activity"
        return
    lag = rest - (found.clock - int(seen))
    if lag >= CHECKPOINT_MS + SLACK_MS:
        yield "activity not in the registry"
    elif lag <= -SLACK_MS:
        yield "activity not in Redis"


def from_redis(advance: Advance) -> Iterator[Difference]:
    """Look for hashes of sessions that are not alive, and for keys that are no sessions."""
    for chunk in chunks(sessions_command_client().scan_iter("session:*", count=CHUNK), CHUNK):
        names = [key.decode(errors="replace").removeprefix("session:") for key in chunk]
        yield from (Difference("key that is no session", "") for name in names if not is_session_id(name))
        hashes = {key_hash(name) for name in names if is_session_id(name)}
        known = dict(SessionRecord.objects.filter(pk__in=hashes).values_list("pk", "ended_at"))
        for hashed in hashes:
            if hashed not in known:
                yield Difference("hash without a row", hashed)
            elif known[hashed] is not None:
                yield Difference("hash of an ended session", hashed)
        advance(len(chunk))


def from_audit(advance: Advance) -> Iterator[Difference]:
    """Look for expiries that are not on record exactly once."""
    recently = now() - timedelta(days=1)
    ended = SessionRecord.objects.filter(end_reason__in=(Reason.IDLE, Reason.ABSOLUTE), ended_at__gt=recently)
    for chunk in chunks(ended.values_list("pk", "handle").iterator(CHUNK), CHUNK):
        events = AuditEvent.objects.filter(code="session.end", object_type="session").order_by()
        handles = [handle for _, handle in chunk]
        counted = dict(events.filter(object_id__in=handles).values_list("object_id").annotate(Count("pk")))
        yield from (Difference("expiry not on record once", pk) for pk, handle in chunk if counted.get(handle) != 1)
        advance(len(chunk))
