"""The registry: what PostgreSQL knows of each session, through a connection of its own in autocommit.

A logout inside somebody's transaction must neither be rolled back with it nor wait for it. Times are
`clock_timestamp()`: `now()` stands still within a transaction. Errors are Django's DatabaseError and InterfaceError.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import connections

from sessions_app.held import CLEAR, Conflict, Draft, Held
from sessions_app.ids import handle, key_hash, seal

ALIAS: Final = "sessions"

MS: Final = "interval '1 millisecond'"
# What a version made here is ahead of those that Redis makes: a write that reached Redis before everybody knew it was
# away comes here with a smaller one, is refused, and merged instead of undoing this one.
STEP: Final = 2**20
ALIVE: Final = f"""(ended_at IS NULL AND deadline > clock_timestamp()
  AND last_activity + idle * {MS} > clock_timestamp())"""
LOCK_DUE: Final = f"(r.lock > 0 AND r.last_activity + r.lock * {MS} <= clock_timestamp())"
LOCKED: Final = f"CASE WHEN {LOCK_DUE} AND r.locked = '' THEN 'idle' ELSE r.locked END"
COLUMNS: Final = f"""r.ver, r.data, r.idle, r.lock,
  (extract(epoch FROM least(r.last_activity + r.idle * {MS}, r.deadline) - clock_timestamp()) * 1000)::bigint,
  (extract(epoch FROM r.deadline - clock_timestamp()) * 1000)::bigint,
  (extract(epoch FROM clock_timestamp() - r.last_activity) * 1000)::bigint, coalesce(r.user_id::text, ''),
  {", ".join(LOCKED if name == "locked" else f"r.{name}" for name in CLEAR)}"""

LOAD: Final = f"SELECT {COLUMNS} FROM sessions_app_sessionrecord r WHERE key_hash = %s AND {ALIVE}"  # noqa: S608  our own constants
TOUCH: Final = f"""UPDATE sessions_app_sessionrecord r SET
  locked = {LOCKED},
  last_activity = CASE WHEN r.locked <> '' OR {LOCK_DUE} THEN r.last_activity ELSE clock_timestamp() END
  WHERE key_hash = %s AND {ALIVE} RETURNING {COLUMNS}"""  # noqa: S608

# One row per session, whoever writes first: newer versions win, and nothing that ended comes back.
WRITE: Final = f"""INSERT INTO sessions_app_sessionrecord AS r
  (key_hash, handle, sealed_id, user_id, data, ver, idle, lock, last_activity, deadline,
   is_cleared, end_reason, ended_by, {", ".join(CLEAR)})
VALUES (%(key_hash)s, %(handle)s, %(sealed_id)s, %(user_id)s, %(data)s, %(ver)s, %(idle)s, %(lock)s, clock_timestamp(),
  clock_timestamp() + %(absolute)s * {MS}, false, '', '', {", ".join(f"coalesce(%({name})s, '')" for name in CLEAR)})
ON CONFLICT (key_hash) DO UPDATE SET user_id = excluded.user_id, data = excluded.data, ver = excluded.ver,
  idle = excluded.idle, lock = excluded.lock,
  last_activity = CASE WHEN %(extend)s THEN excluded.last_activity ELSE r.last_activity END,
  {", ".join(f"{name} = coalesce(%({name})s, r.{name})" for name in CLEAR)}
WHERE r.ended_at IS NULL AND r.ver < excluded.ver"""  # noqa: S608
UPDATE: Final = f"""UPDATE sessions_app_sessionrecord r SET user_id = %(user_id)s, data = %(data)s, ver = ver + {STEP},
  idle = %(idle)s, lock = %(lock)s,
  last_activity = CASE WHEN %(extend)s THEN clock_timestamp() ELSE r.last_activity END,
  {", ".join(f"{name} = coalesce(%({name})s, r.{name})" for name in CLEAR)}
WHERE key_hash = %(key_hash)s AND {ALIVE} AND ver = %(base)s RETURNING ver"""  # noqa: S608

CHECKPOINT: Final = """UPDATE sessions_app_sessionrecord SET last_activity = clock_timestamp()
  WHERE key_hash = %s AND ended_at IS NULL AND deadline > clock_timestamp()"""
# Rows in the order in which whoever takes several of them takes them; a clock that is behind undoes nothing.
USED: Final = f"""WITH seen AS (
  SELECT key_hash, rest FROM unnest(%s::text[], %s::bigint[]) AS s (key_hash, rest)
  JOIN sessions_app_sessionrecord AS r USING (key_hash)
  WHERE ended_at IS NULL AND deadline > clock_timestamp() ORDER BY key_hash FOR UPDATE OF r)
UPDATE sessions_app_sessionrecord AS r
SET last_activity = greatest(last_activity, clock_timestamp() - rest * {MS})
FROM seen WHERE r.key_hash = seen.key_hash"""  # noqa: S608
END: Final = """UPDATE sessions_app_sessionrecord SET ended_at = clock_timestamp(), end_reason = %s, ended_by = %s
  WHERE key_hash = %s AND ended_at IS NULL"""

# In one statement, and from the row as it is once whoever holds it has let go: its newest role, or its end.
KEPT: Final = ", ".join(("user_id", "idle", "lock", "started_at", "admitted_at", "deadline", *CLEAR))
RENEW: Final = f"""WITH old AS (
  UPDATE sessions_app_sessionrecord SET ended_at = clock_timestamp(), end_reason = 'renewed'
  WHERE key_hash = %(old)s AND ended_at IS NULL AND ver = %(ver)s RETURNING {KEPT}, ver)
INSERT INTO sessions_app_sessionrecord
  (key_hash, handle, sealed_id, data, ver, last_activity, is_cleared, end_reason, ended_by, {KEPT})
SELECT %(new)s, %(handle)s, %(sealed_id)s, %(data)s, ver + 1, clock_timestamp(), false, '', '', {KEPT} FROM old"""  # noqa: S608


def load(session_id: str) -> Held | None:
    """Return the session if it is alive."""
    return _held(_row(LOAD, [key_hash(session_id)]))


def touch(session_id: str) -> Held | None:
    """Return the session if it is alive; this is activity, unless it is locked."""
    return _held(_row(TOUCH, [key_hash(session_id)]))


def is_known(session_id: str) -> bool:
    """Whether there is a row, alive or ended."""
    return _row("SELECT 1 FROM sessions_app_sessionrecord WHERE key_hash = %s", [key_hash(session_id)]) is not None


def write(session_id: str, draft: Draft, ver: int) -> bool:
    """Record version `ver`; False when the session ended or the row is newer."""
    return _execute(WRITE, _parameters(session_id, draft) | {"ver": ver}) == 1


def update(session_id: str, draft: Draft) -> int | Conflict | None:
    """Write over version `draft.base` and return the new one; None when the session is gone."""
    row = _row(UPDATE, _parameters(session_id, draft))
    if row is not None:
        return int(row[0])
    now = load(session_id)
    return None if now is None else Conflict(now.ver, now.data)


def renew(session_id: str, new_id: str, data: str, ver: int) -> bool:
    """Let a session go on under another id; False when it has ended, or is no longer version `ver`."""
    parameters = {"old": key_hash(session_id), "ver": ver, "data": data}
    parameters |= {"new": key_hash(new_id), "handle": handle(new_id), "sealed_id": seal(new_id)}
    return _execute(RENEW, parameters) == 1


def checkpoint(session_id: str) -> bool:
    """Record activity that Redis has seen; False when the session is not alive here."""
    return _execute(CHECKPOINT, [key_hash(session_id)]) == 1


def used(rests: Mapping[str, int]) -> int:
    """Record how long ago (ms) sessions were last used, by key; return how many of them are alive."""
    return _execute(USED, [list(rests), list(rests.values())]) if rests else 0


def end(session_id: str, reason: str, by: str = "") -> bool:
    """Record the end; False when it had ended or was never known. Only one caller is told True."""
    return _execute(END, [reason, by, key_hash(session_id)]) == 1


def cleared(hashes: Sequence[str]) -> None:
    """Remember that the hashes of these ended sessions are deleted in Redis."""
    _execute("UPDATE sessions_app_sessionrecord SET is_cleared = true WHERE key_hash = ANY(%s)", [list(hashes)])


def _parameters(session_id: str, draft: Draft) -> dict[str, Any]:
    return {
        "key_hash": key_hash(session_id),
        "handle": handle(session_id),
        "sealed_id": seal(session_id),
        "user_id": int(draft.user_id) if draft.user_id.isdecimal() else None,
        "data": draft.data,
        "idle": draft.idle,
        "lock": draft.lock,
        "absolute": draft.absolute,
        "extend": draft.extend,
        "base": draft.base,
        **{name: draft.clear.get(name) for name in CLEAR},
    }


def _held(row: Sequence[Any] | None) -> Held | None:
    if row is None:
        return None
    ver, data, idle, lock, left, deadline, since, user_id, *clear = row
    return Held(ver, data, left, deadline, idle, lock, since, user_id, dict(zip(CLEAR, clear, strict=True)))


def _row(sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> Sequence[Any] | None:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(sql, parameters)
        row: Sequence[Any] | None = cursor.fetchone()
        return row


def _execute(sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> int:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)
