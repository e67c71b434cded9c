"""The protocol between the two stores: Redis answers, PostgreSQL vouches (docs/decisions/0005).

Each function asks Redis while it is trusted. It goes on in PostgreSQL, within the same request, when Redis fails, and
raises SessionsUnavailable when neither answers.
"""

import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from epicops import keys
from epicops.bulk import chunks
from epicops.clock import timestamp
from sessions_app import registry, scripts
from sessions_app.held import Conflict, Draft, Held, in_clear
from sessions_app.ids import handle, key_hash
from sessions_app.trust import DATABASE, OUTAGE, SessionsUnavailable, trust

logger = logging.getLogger(__name__)
T = TypeVar("T")

CHUNK: Final = 500  # keys; Redis is busy with them for a millisecond
CHECKPOINT_MS: Final = 60_000  # how far the registry's last activity may lag behind
LONGEST_IDLE: Final = 1800  # seconds; a change of generation that long ago has no unverified survivors


def load(session_id: str, *, touch: bool = False) -> Held | None:
    """Return a live session, or None; one round trip. To `touch` counts as activity unless the session is locked."""
    return _either(lambda: _load(session_id, touch=touch), lambda: _load_registered(session_id, touch=touch))


def create(session_id: str, draft: Draft) -> bool:
    """Store a new session; False when the id is taken."""
    return _either(lambda: _create(session_id, draft), lambda: registry.write(session_id, draft, 1))


def update(session_id: str, draft: Draft) -> int | Conflict | None:
    """Write over version `draft.base`; return the new version, or what is there instead, or None for a session gone."""
    return _either(lambda: _update(session_id, draft), lambda: _update_registered(session_id, draft))


def end(session_id: str, reason: str, by: str = "") -> bool:
    """End a session: in the registry first, so that it stays ended whatever becomes of its hash."""
    try:
        ended = registry.end(session_id, reason, by)
    except DATABASE as error:
        return _end_unregistered(session_id, error)
    clear([session_id])
    return ended


def clear(session_ids: Iterable[str]) -> None:
    """Delete the hashes of ended sessions. What cannot be deleted now is not vouched for later, and swept."""
    with suppress(*DATABASE):  # they are deleted; the sweeper finds nothing to do
        for some in chunks(session_ids, CHUNK):
            _have_redis_follow(functools.partial(_delete, some))


def set_fields(fields: Mapping[str, Mapping[str, str]]) -> None:
    """Change fields in clear of live sessions, by session id; the registry has the change already."""
    _have_redis_follow(lambda: [_set(session_id, changed) for session_id, changed in fields.items()])


def _either(from_redis: Callable[[], T], from_postgresql: Callable[[], T]) -> T:
    try:
        if trust.is_redis():
            try:
                return from_redis()
            except OUTAGE as error:
                trust.fall_back(error)
        return from_postgresql()
    except DATABASE as error:
        raise SessionsUnavailable from error


def _have_redis_follow(call: Callable[[], object]) -> None:
    """Tell Redis what was written to the registry; what cannot be told is not vouched for when Redis is back."""
    try:
        if trust.is_redis_by_now():
            call()
    except OUTAGE as error:
        trust.fall_back(error)


def _delete(ids: list[str]) -> None:
    trust.ask(lambda redis, _: redis.delete(*map(keys.session, ids)))
    registry.cleared([key_hash(session_id) for session_id in ids])


def _load(session_id: str, *, touch: bool) -> Held | None:
    if not touch and (held := scripts.glance(session_id)) is not None:
        return held
    reply = _open(session_id, touch=touch)
    if reply is None:
        return None
    left, deadline, since, is_due, ver, data, idle, lock, *clear = reply
    if is_due and not _checkpoint(session_id):
        return None
    return Held(int(ver), data.decode(), left, deadline, int(idle), int(lock), since, clear=in_clear(clear))


def _open(session_id: str, *, touch: bool) -> list[Any] | None:
    """Return the script's answer about a live session, None when there is none."""

    def look() -> list[Any]:
        mode = "touch" if touch else "look"
        return list(scripts.run(scripts.OPEN, session_id, lambda gen: [gen, mode, timestamp(), CHECKPOINT_MS]))

    status, *reply = look()
    if _is_doubtful(status) and verify(session_id):
        status, *reply = look()
    if status == b"foreign":
        logger.warning("a key of another type is where a session would be", extra={"session": handle(session_id)})
    return reply if status == b"ok" else None


def _load_registered(session_id: str, *, touch: bool) -> Held | None:
    """Load without Redis. Activity is written once a minute here, too: an outage is no time for a commit a page."""
    held = registry.load(session_id)
    is_due = held is not None and held.since >= CHECKPOINT_MS
    return registry.touch(session_id) if touch and is_due else held


def _create(session_id: str, draft: Draft) -> bool:
    if _save(session_id, draft, "create")[0] == b"exists":
        return False
    try:
        registry.write(session_id, draft, 1)
    except DATABASE as error:
        _log_unregistered(session_id, error)
    return True


def _update(session_id: str, draft: Draft) -> int | Conflict | None:
    status, *reply = _save(session_id, draft, "update")
    if _is_doubtful(status) and verify(session_id):
        status, *reply = _save(session_id, draft, "update")
    if status == b"conflict":
        return Conflict(int(reply[0]), reply[1].decode())
    return _write_through(session_id, draft, int(reply[0])) if status == b"ok" else None


def _update_registered(session_id: str, draft: Draft) -> int | Conflict | None:
    result = registry.update(session_id, draft)
    _have_redis_follow(lambda: verify(session_id))
    return result


def _save(session_id: str, draft: Draft, mode: str) -> list[Any]:
    fields = scripts.flat({"data": draft.data, "user_id": draft.user_id, **draft.clear})
    extend = "extend" if draft.extend else "keep"
    limits = [draft.idle, draft.lock, draft.absolute, extend, timestamp()]
    return list(scripts.run(scripts.SAVE, session_id, lambda gen: [mode, draft.base, gen, *limits, *fields]))


def _write_through(session_id: str, draft: Draft, ver: int) -> int | Conflict | None:
    """Record in the registry what Redis has just accepted as version `ver`."""
    try:
        if registry.write(session_id, draft, ver):
            return ver
        recorded = registry.load(session_id)
    except DATABASE as error:
        _log_unregistered(session_id, error)
        return ver
    if recorded is None:  # ended meanwhile
        clear([session_id])
        return None
    newest = trust.ask(lambda redis, _: redis.hget(keys.session(session_id), "ver"))
    if isinstance(newest, bytes) and int(newest) >= recorded.ver:
        return ver  # a later write of this session got there first, and it includes this one
    _restore(session_id, recorded)  # a worker without Redis wrote to the registry in the second before all knew
    return Conflict(recorded.ver, recorded.data)


def _is_doubtful(status: bytes) -> bool:
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


def verify(session_id: str) -> bool:
    """Have PostgreSQL decide: Redis gets what is alive, and loses what ended. False when there is no session.

    Raises one of OUTAGE or DATABASE.
    """
    recorded = registry.load(session_id)
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
    _restore(session_id, recorded)
    if registry.load(session_id) is None:  # ended since it was read: its hash was deleted before it was restored
        clear([session_id])
        return False
    return True


def _restore(session_id: str, held: Held) -> None:
    active_at = timestamp(datetime.now(UTC) - timedelta(milliseconds=held.since))
    limits = [held.left, held.deadline, held.idle, held.lock, held.since]
    rest = [held.data, held.user_id, active_at, *scripts.flat(held.clear)]
    scripts.run(scripts.RESTORE, session_id, lambda gen: [held.ver, gen, *limits, *rest])


def _checkpoint(session_id: str) -> bool:
    """Record the activity; False when the session has ended in the registry."""
    try:
        return registry.checkpoint(session_id) or verify(session_id)
    except DATABASE as error:
        _log_unregistered(session_id, error)
        return True


def _set(session_id: str, fields: Mapping[str, str]) -> bool:
    return bool(scripts.run(scripts.SET, session_id, lambda _: scripts.flat(fields)))


def _end_unregistered(session_id: str, error: BaseException) -> bool:
    """End a session in Redis alone, and leave word for the registry."""
    try:
        if not trust.is_redis():
            raise SessionsUnavailable from error
        trust.ask(lambda redis, _: redis.sadd(keys.SESSIONS_UNREGISTERED, key_hash(session_id)))
        return bool(trust.ask(lambda redis, _: redis.delete(keys.session(session_id))))
    except OUTAGE as failure:
        raise SessionsUnavailable from failure


def _log_unregistered(session_id: str, error: BaseException) -> None:
    logger.error("session not registered", extra={"session": handle(session_id), "error": type(error).__name__})
