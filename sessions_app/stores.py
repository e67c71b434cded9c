"""The protocol between the two stores: Redis answers, PostgreSQL vouches (docs/decisions/0005).

Each function asks Redis while it is trusted. It goes on in PostgreSQL, within the same request, when Redis fails, and
raises SessionsUnavailable when neither answers.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from epicops import keys
from epicops.clock import timestamp
from sessions_app import registry, scripts
from sessions_app.held import Conflict, Draft, Held, in_clear
from sessions_app.ids import handle, key_hash
from sessions_app.trust import DATABASE, OUTAGE, SessionsUnavailable, trust
from sessions_app.vouching import clear, have_redis_follow, is_doubtful, restore, verify

logger = logging.getLogger(__name__)
T = TypeVar("T")

CHECKPOINT_MS: Final = 60_000  # how far the registry's last activity may lag behind


def load(session_id: str, *, touch: bool = False) -> Held | None:
    """Return a live session, or None; one round trip. To `touch` counts as activity unless the session is locked."""
    return _either(lambda: _load(session_id, touch=touch), lambda: _load_registered(session_id, touch=touch))


def create(session_id: str, draft: Draft) -> bool:
    """Store a new session; False when the id is taken."""
    return _either(lambda: _create(session_id, draft), lambda: registry.write(session_id, draft, 1))


def update(session_id: str, draft: Draft) -> int | Conflict | None:
    """Write over version `draft.base`; return the new version, or what is there instead, or None for a session gone."""
    return _either(lambda: _update(session_id, draft), lambda: _update_registered(session_id, draft))


def recorded(session_id: str) -> Held | None:
    """Return a live session as the registry has it, and have Redis say the same."""
    return _either(lambda: registry.load(session_id) if verify(session_id) else None, lambda: registry.load(session_id))


def end(session_id: str, reason: str, by: str = "") -> bool:
    """End a session: in the registry first, so that it stays ended whatever becomes of its hash."""
    try:
        ended = registry.end(session_id, reason, by)
    except DATABASE as error:
        return _end_unregistered(session_id, error)
    clear([session_id])
    return ended


def set_fields(fields: Mapping[str, Mapping[str, str]]) -> None:
    """Change fields in clear of live sessions, by session id; the registry has the change already."""
    have_redis_follow(lambda: [_set(session_id, changed) for session_id, changed in fields.items()])


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


def _load(session_id: str, *, touch: bool) -> Held | None:
    if not touch and (held := scripts.glance(session_id)) is not None:
        return held
    reply = _open(session_id, touch=touch)
    if reply is None:
        return None
    left, deadline, since, is_due, ver, data, idle, lock, *clear = reply
    if is_due and not _checkpoint(session_id):
        return None
    return Held(
        int(ver), data.decode(errors="replace"), left, deadline, int(idle), int(lock), since, clear=in_clear(clear)
    )


def _open(session_id: str, *, touch: bool) -> list[Any] | None:
    """Return the script's answer about a live session, None when there is none."""

    def look() -> list[Any]:
        mode = "touch" if touch else "look"
        return list(scripts.run(scripts.OPEN, session_id, lambda gen: [gen, mode, timestamp(), CHECKPOINT_MS]))

    status, *reply = look()
    if is_doubtful(status) and verify(session_id, is_absent=status == b"absent"):
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
    if is_doubtful(status) and verify(session_id, is_absent=status == b"absent"):
        status, *reply = _save(session_id, draft, "update")
    if status == b"conflict":
        return Conflict(int(reply[0]), reply[1].decode(errors="replace"))
    return _write_through(session_id, draft, int(reply[0])) if status == b"ok" else None


def _update_registered(session_id: str, draft: Draft) -> int | Conflict | None:
    result = registry.update(session_id, draft)
    have_redis_follow(lambda: verify(session_id))
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
    restore(session_id, recorded)  # a worker without Redis wrote to the registry in the second before all knew
    return Conflict(recorded.ver, recorded.data)


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
