"""Automatic logoff on record: every session that ran out gets one audit event, without keyspace notifications.

The registry knows to within a minute when a session was last active. Where it says that one has run out, Redis is
asked: a hash that lives on moves the registry's time on; a session without one has ended.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final, cast

from django.db import transaction
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, Value
from django.db.models.functions import Now

from audit.models import AuditEvent
from epicops import keys
from sessions_app import break_glass, registry, stores
from sessions_app.ids import handle, is_session_id, key_hash
from sessions_app.live import LIVE, Reason, ids, record_end
from sessions_app.models import SessionRecord
from sessions_app.trust import OUTAGE, trust

CHUNK: Final = 500
ACTOR: Final = "sweep_sessions"
RUN_OUT: Final = Q(deadline__lte=Now()) | Q(runs_out_at__lte=Now())


@dataclass(slots=True)
class Swept:
    """What one pass did.

    `mended` hashes had no TTL, `cleared` ones belonged to sessions that had ended, `registered` ends happened while
    PostgreSQL was away, `closed` counts break-glass accesses, `locked` sessions that locked by themselves.
    """

    ended: int = 0
    prolonged: int = 0
    mended: int = 0
    cleared: int = 0
    registered: int = 0
    closed: int = 0
    locked: int = 0

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def sweep() -> Swept:
    """Go over everything once. While Redis is away the registry decides alone."""
    swept = Swept()
    try:
        if trust.is_redis():
            swept.registered = register_ends()
            swept.cleared = clear_leftovers()
            swept.mended = mend()
    except OUTAGE as error:
        trust.fall_back(error)
    while records := run_out():
        settle(records, swept)
    swept.locked = register_locks()
    swept.closed = break_glass.close_overdue(actor=ACTOR)
    return swept


def run_out() -> list[SessionRecord]:
    """Return some sessions that have, by the registry's knowledge, run out."""
    idle = ExpressionWrapper(F("idle") * Value(timedelta(milliseconds=1)), output_field=DurationField())
    runs_out_at = ExpressionWrapper(F("last_activity") + idle, output_field=DateTimeField())
    records = SessionRecord.objects.filter(ended_at=None).annotate(runs_out_at=runs_out_at).filter(RUN_OUT)
    return list(records.order_by("key_hash")[:CHUNK])


def settle(records: list[SessionRecord], swept: Swept) -> None:
    """End what has no live hash; two sweepers at once end each session once."""
    for record, session_id in zip(records, ids(records), strict=True):
        if in_redis(session_id):
            registry.checkpoint(session_id)
            swept.prolonged += 1
            continue
        with transaction.atomic():
            reason = Reason.ABSOLUTE if record.deadline <= record.last_activity + idle_of(record) else Reason.IDLE
            unended = SessionRecord.objects.filter(pk=record.pk, ended_at=None, last_activity=record.last_activity)
            if unended.update(ended_at=Now(), end_reason=reason, ended_by=ACTOR):
                record_end(record, reason, actor=ACTOR)
                swept.ended += 1


def idle_of(record: SessionRecord) -> timedelta:
    return timedelta(milliseconds=record.idle)


def in_redis(session_id: str) -> bool:
    """Whether Redis has a live hash of this session, and may be believed."""
    try:
        if not trust.is_redis():
            return False
        key = keys.session(session_id)
        reply: Any = trust.ask(lambda redis, generation: (redis.hget(key, "gen"), redis.pttl(key), generation))
    except OUTAGE as error:
        trust.fall_back(error)
        return False
    vouched_by, ttl, generation = reply
    return bool(vouched_by == str(generation).encode() and ttl > 0)


def register_ends() -> int:
    """Record the sessions that ended while PostgreSQL was away."""
    ended = 0
    hashes = cast("set[bytes]", trust.ask(lambda redis, _: redis.smembers(keys.SESSIONS_UNREGISTERED)))
    for hashed in hashes:
        with transaction.atomic():
            record = SessionRecord.objects.select_for_update().filter(pk=hashed.decode(), ended_at=None).first()
            if record is not None:
                SessionRecord.objects.filter(pk=record.pk).update(ended_at=Now(), end_reason=Reason.LOGOUT)
                record_end(record, Reason.LOGOUT, actor=ACTOR)
                ended += 1
    if hashes:
        trust.ask(lambda redis, _: redis.srem(keys.SESSIONS_UNREGISTERED, *hashes))
    return ended


def register_locks() -> int:
    """Record the sessions that locked because nobody used them, once each; to look at one is what locks it."""
    rest = ExpressionWrapper(F("lock") * Value(timedelta(milliseconds=1)), output_field=DurationField())
    rested = LIVE.filter(lock__gt=0, locked="", last_activity__lte=Now() - rest)
    records = list(rested.order_by("last_activity")[:CHUNK])
    count = 0
    for record, session_id in zip(records, ids(records), strict=True):
        held = stores.load(session_id)
        if held is not None and held.clear["locked"] and LIVE.filter(pk=record.pk, locked="").update(locked="idle"):
            AuditEvent.objects.record(
                "E", "session.lock", actor=ACTOR, object_type="session", object_id=record.handle, detail={"how": "idle"}
            )
            count += 1
    return count


def clear_leftovers() -> int:
    """Delete hashes that a crash between registry and Redis has left behind."""
    records = list(SessionRecord.objects.filter(ended_at__isnull=False, is_cleared=False)[:CHUNK])
    stores.clear(ids(records))
    return len(records)


def mend() -> int:
    """End sessions whose hash would never expire: somebody persisted, restored or made it by hand."""
    found = 0
    for key in trust.client.scan_iter("session:*", count=CHUNK, _type="HASH"):
        session_id = key.decode().removeprefix("session:")
        if not is_session_id(session_id) or trust.client.pttl(key) != -1:
            continue
        with transaction.atomic():
            record = SessionRecord.objects.select_for_update().filter(pk=key_hash(session_id), ended_at=None).first()
            if record is not None:
                SessionRecord.objects.filter(pk=record.pk).update(ended_at=Now(), end_reason=Reason.STORE)
            record_end(record or SessionRecord(handle=handle(session_id)), Reason.STORE, actor=ACTOR)
        trust.client.delete(key)
        found += 1
    return found
