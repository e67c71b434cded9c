"""PostgreSQL vouches: what Redis cannot be believed about is looked up there, and what ended is deleted in Redis."""

import functools
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from epicops import keys
from epicops.bulk import chunks
from epicops.clock import timestamp
from sessions_app import registry, scripts
from sessions_app.held import LONGEST_IDLE, Held
from sessions_app.ids import key_hash
from sessions_app.trust import DATABASE, OUTAGE, trust

CHUNK: Final = 500  # keys; Redis is busy with them for a millisecond
WRITTEN: Final = 5  # seconds; by then a session that the registry saw used is in Redis, too


def verify(session_id: str, *, is_absent: bool = False) -> bool:
    """Have PostgreSQL decide: Redis gets what is alive, and loses what ended. False when there is no session.

    One that `is_absent` from Redis, although it was used since PostgreSQL was last asked about everybody, was deleted
    there by hand: that ends it, too. Raises one of OUTAGE or DATABASE.
    """
    recorded = registry.load(session_id)
    if recorded is not None and is_absent and _was_in_redis(recorded):
        return False
    if recorded is None:
        if not registry.is_known(session_id):  # made while PostgreSQL was away: Redis' word stands
            return bool(scripts.run(scripts.SET, session_id, lambda gen: ["gen", gen]))
        clear([session_id])
        return False
    hashed = key_hash(session_id)
    if trust.ask(lambda redis, _: redis.sismember(keys.SESSIONS_UNREGISTERED, hashed)):
        registry.end(session_id, "logout")
        clear([session_id])
        return False
    restore(session_id, recorded)
    latest = registry.load(session_id)
    if latest is None:  # ended since it was read: its hash was deleted before it was restored
        clear([session_id])
        return False
    return latest.clear == recorded.clear or verify(session_id)  # a role changed since then was taken back, too


def clear(session_ids: Iterable[str]) -> None:
    """Delete the hashes of ended sessions. What cannot be deleted now is not vouched for later, and swept."""
    with suppress(*DATABASE):  # they are deleted; the sweeper finds nothing to do
        for some in chunks(session_ids, CHUNK):
            have_redis_follow(functools.partial(_delete, some))


def is_doubtful(status: bytes) -> bool:
    """Whether PostgreSQL has to say what became of a session: its hash is not vouched for, or may have been lost."""
    return status == b"unvouched" or (status == b"absent" and not _is_sure_miss())


def _is_sure_miss() -> bool:
    """Whether this server has lost nothing: it carries the marker, and has done so for longer than sessions rest."""
    if trust.is_spread:
        return False  # the marker is on one shard
    marker, generation = trust.ask(lambda redis, gen: (redis.get(keys.SESSIONS_GENERATION), gen))
    if marker != str(generation).encode():
        trust.distrust(generation)
        return False
    return not trust.was_distrusted_within(LONGEST_IDLE)


def _was_in_redis(recorded: Held) -> bool:
    """Whether the present server had this session, of which it loses none by itself: it was used there."""
    return not trust.is_spread and not trust.was_distrusted_within(recorded.since / 1000 + WRITTEN)


def restore(session_id: str, held: Held) -> None:
    active_at = timestamp(datetime.now(UTC) - timedelta(milliseconds=held.since))
    limits = [held.left, held.deadline, held.idle, held.lock, held.since]
    rest = [held.data, held.user_id, active_at, *scripts.flat(held.clear)]
    scripts.run(scripts.RESTORE, session_id, lambda gen: [held.ver, gen, *limits, *rest])


def have_redis_follow(call: Callable[[], object]) -> None:
    """Tell Redis what was written to the registry; what cannot be told is not vouched for when Redis is back."""
    try:
        if trust.is_redis_by_now():
            call()
    except OUTAGE as error:
        trust.fall_back(error)


def _delete(ids: list[str]) -> None:
    trust.ask(lambda redis, _: redis.delete(*map(keys.session, ids)))
    registry.cleared([key_hash(session_id) for session_id in ids])
