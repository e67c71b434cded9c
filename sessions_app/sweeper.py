"""Automatic logoff on record: every session that ran out gets one audit event, without keyspace notifications.

The registry knows to within a minute when a session was last active. Where it says that one has run out, Redis is
asked: a hash that lives on moves the registry's time on; a session without one has ended.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, cast

from django.db import transaction
from django.db.models import DurationField, ExpressionWrapper, F, Value
from django.db.models.functions import Now

from audit.models import AuditEvent, event
from epicops import keys
from epicops.bulk import chunks
from sessions_app import break_glass, registry, stores, vouching
from sessions_app.hashes import look, number
from sessions_app.held import LONGEST_IDLE
from sessions_app.ids import handle, is_session_id, key_hash
from sessions_app.live import LIVE, Reason, ids, record_ends
from sessions_app.models import SessionQuerySet, SessionRecord
from sessions_app.trust import OUTAGE, trust

CHUNK: Final = 500
ACTOR: Final = "sweep_sessions"
LIMITS: Final = ("gen", "seen", "idle", "deadline")
LONGEST: Final = LONGEST_IDLE * 1000  # ms
NEVER: Final = -1  # PTTL's answer for a key that does not expire


@dataclass(slots=True)
class Swept:
    """What one pass did.

    `mended` hashes had no TTL or too long a one, `cleared` ones belonged to sessions that had ended, `registered` ends
    happened while PostgreSQL was away, `closed` counts break-glass accesses, `locked` those that locked by themselves.
    """

    ended: int = 0
    prolonged: int = 0
    mended: int = 0
    cleared: int = 0
    registered: int = 0
    closed: int = 0
    locked: int = 0


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
    for records in SessionRecord.objects.run_out().in_turns(CHUNK):
        settle(records, swept)
    swept.locked = register_locks()
    swept.closed = break_glass.close_overdue(actor=ACTOR)
    return swept


def settle(records: list[SessionRecord], swept: Swept) -> None:
    """End what has no live hash; of the others record when they were last used."""
    rests = rests_in_redis(records)
    swept.prolonged += registry.used(rests)
    gone: dict[Reason, list[str]] = {Reason.ABSOLUTE: [], Reason.IDLE: []}
    for record in records:
        if record.pk not in rests:
            idle_until = record.last_activity + timedelta(milliseconds=record.idle)
            gone[Reason.ABSOLUTE if record.deadline <= idle_until else Reason.IDLE].append(record.pk)
    for reason, pks in gone.items():
        swept.ended += end_all(SessionRecord.objects.run_out().filter(pk__in=pks), reason)


def end_all(which: SessionQuerySet, reason: Reason) -> int:
    """End the sessions that match, once whoever writes them has let go; two sweepers end each of them once."""
    with transaction.atomic():
        records = list(which.select_for_update().filter(ended_at=None).order_by("key_hash"))
        mine = SessionRecord.objects.filter(pk__in=[record.pk for record in records])
        mine.update(ended_at=Now(), end_reason=reason, ended_by=ACTOR)
        record_ends(records, reason, actor=ACTOR)
    return len(records)


def rests_in_redis(records: list[SessionRecord]) -> dict[str, int]:
    """Return how long ago (ms) each session was last used that lives on in Redis; none if it is not to be believed."""
    try:
        if not trust.is_redis():
            return {}
        found, generation = trust.ask(lambda redis, generation: (look(redis, ids(records), LIMITS), generation))
    except OUTAGE as error:
        trust.fall_back(error)
        return {}
    rests = {}
    for record, (values, ttl, clock) in zip(records, found, strict=True):
        if ttl <= 0 or values[0] != str(generation).encode():
            continue
        seen, idle, deadline = map(number, values[1:])
        if seen is None or idle is None or deadline is None:
            continue
        if clock < min(seen + min(idle, LONGEST), deadline):
            rests[record.pk] = clock - seen
    return rests


def register_ends() -> int:
    """Record the sessions that ended while PostgreSQL was away."""
    hashes = cast("set[bytes]", trust.ask(lambda redis, _: redis.smembers(keys.SESSIONS_UNREGISTERED)))
    if not hashes:
        return 0
    ended = end_all(SessionRecord.objects.filter(pk__in=[hashed.decode() for hashed in hashes]), Reason.LOGOUT)
    trust.ask(lambda redis, _: redis.srem(keys.SESSIONS_UNREGISTERED, *hashes))
    return ended


def register_locks() -> int:
    """Record the sessions that locked because nobody used them, once each; to look at one is what locks it."""
    rest = ExpressionWrapper(F("lock") * Value(timedelta(milliseconds=1)), output_field=DurationField())
    rested = LIVE.filter(lock__gt=0, locked="", last_activity__lte=Now() - rest)
    return sum(map(lock_all, rested.in_turns(CHUNK)))


def lock_all(records: list[SessionRecord]) -> int:
    """Record those of them that are locked."""
    held = ((record.pk, stores.load(session_id)) for record, session_id in zip(records, ids(records), strict=True))
    locked = [pk for pk, session in held if session is not None and session.clear.get("locked")]
    with transaction.atomic():
        unlocked = SessionRecord.objects.filter(pk__in=locked, ended_at=None, locked="")
        mine = list(unlocked.select_for_update().order_by("key_hash"))
        SessionRecord.objects.filter(pk__in=[record.pk for record in mine]).update(locked="idle")
        AuditEvent.objects.record_all(
            [
                event(
                    "E",
                    "session.lock",
                    actor=ACTOR,
                    object_type="session",
                    object_id=record.handle,
                    detail={"how": "idle"},
                )
                for record in mine
            ]
        )
    return len(mine)


def clear_leftovers() -> int:
    """Delete hashes that a crash between registry and Redis, or an outage, has left behind."""
    cleared = 0
    for records in SessionRecord.objects.filter(ended_at__isnull=False, is_cleared=False).in_turns(CHUNK):
        session_ids = ids(records)
        vouching.clear(session_ids)
        registry.cleared([record.pk for record, session_id in zip(records, session_ids, strict=True) if not session_id])
        cleared += len(records)
    return cleared


def mend() -> int:
    """End sessions whose hash would never expire, and cut limits that are too long.

    Somebody persisted, restored or made them by hand.
    """
    found = 0
    for some in chunks(trust.client.scan_iter("session:*", count=CHUNK, _type="HASH"), CHUNK):
        names = [key.decode(errors="replace").removeprefix("session:") for key in some]
        session_ids = [name for name in names if is_session_id(name)]
        for session_id, (values, ttl, _) in zip(session_ids, look(trust.client, session_ids, ["idle"]), strict=True):
            longest = min(number(values[0]) or LONGEST, LONGEST)
            if ttl == NEVER:
                end_unlimited(session_id)
            elif ttl > longest:
                trust.client.pexpire(keys.session(session_id), longest, lt=True)
            else:
                continue
            found += 1
    return found


def end_unlimited(session_id: str) -> None:
    """End a session by deleting its hash; one that nobody has registered is on record, too."""
    if not end_all(SessionRecord.objects.filter(pk=key_hash(session_id)), Reason.STORE):
        record_ends([SessionRecord(handle=handle(session_id))], Reason.STORE, actor=ACTOR)
    trust.client.delete(keys.session(session_id))
