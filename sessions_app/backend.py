"""Sessions in Redis hashes that other systems can read: `HGET session:{id} role`.

The hash has Django's signed data beside the fields of the wire contract. It lives 1,800 s from the last activity. Every
write is one script, exists? -> write -> PEXPIRE, so that no hash is left without a TTL and none that ended comes back.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from epicops import keys
from epicops.redis_client import Redis, sessions_client

SESSION_ID: Final = re.compile(r"[a-z0-9]{32}")
BINDING: Final = ("role", "department", "portal")  # set at login, on the server
CREATE_TRIES = 10

# KEYS 1 session  ARGV 1 mode (create|update) 2 TTL in ms, or "" to leave it 3... field value  ->  1 written, 0 refused
SAVE: Final = """
local exists = redis.call('EXISTS', KEYS[1]) == 1
if exists == (ARGV[1] == 'create') then return 0 end
if ARGV[2] ~= '' and tonumber(ARGV[2]) <= 0 then redis.call('DEL', KEYS[1]) return 1 end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
if ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
"""

# KEYS 1 session  ARGV 1 TTL in ms 2 last activity  ->  1 refreshed, 0 gone
TOUCH: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'last_activity', ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""


class SessionsUnavailable(Exception):  # noqa: N818  a state of the store, not a fault of the caller
    """Redis did not answer. Nothing is known about the session, so nobody is logged out."""


@contextmanager
def answering() -> Iterator[Redis]:
    """Yield the sessions server; raise SessionsUnavailable when it cannot be asked."""
    try:
        yield sessions_client()
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise SessionsUnavailable from error


class SessionStore(SessionBase):
    """Django's session engine over `session:{id}`. Anything that is not one of our ids is a miss."""

    if TYPE_CHECKING:  # of SessionBase; the stubs leave them out

        def _get_new_session_key(self) -> str: ...
        def _get_session(self, *, no_load: bool = False) -> dict[str, Any]: ...

    def load(self) -> dict[str, Any]:
        """Return the session's data, or an empty dict and no key where there is none."""
        if is_session_id(self.session_key):
            with answering() as redis:
                data = redis.hget(keys.session(str(self.session_key)), "data")
            if data is not None:
                return self.decode(cast("bytes", data).decode())
        self._session_key = None
        return {}

    def exists(self, session_key: str | None = None) -> bool:
        if not is_session_id(session_key):
            return False
        with answering() as redis:
            return bool(redis.exists(keys.session(str(session_key))))

    def create(self) -> None:
        """Store this session under a fresh id."""
        for _ in range(CREATE_TRIES):
            self._session_key = self._get_new_session_key()
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return
        raise CreateError

    def save(self, must_create: bool = False, *, extend: bool = True) -> None:  # noqa: FBT001, FBT002  Django's signature
        """Write the session, and unless told not to `extend` it, start its TTL again.

        A session that ended stays ended: raise UpdateError.
        """
        if self.session_key is None:
            return self.create()
        fields = self._fields(self._get_session(no_load=must_create))
        if extend:
            fields["last_activity"] = timestamp()
        ttl = self._idle_milliseconds() if extend else ""
        mode = "create" if must_create else "update"
        with answering() as redis:
            written = redis.eval(SAVE, 1, keys.session(self.session_key), mode, ttl, *flatten(fields))
        if not written:
            raise CreateError if must_create else UpdateError
        return None

    def touch(self) -> bool:
        """Count this request as activity: the TTL starts again. False when the session is gone."""
        key = keys.session(str(self.session_key))
        with answering() as redis:
            return bool(redis.eval(TOUCH, 1, key, self._idle_milliseconds(), timestamp()))

    def delete(self, session_key: str | None = None) -> None:
        key = session_key if session_key is not None else self.session_key
        if is_session_id(key):
            with answering() as redis:
                redis.delete(keys.session(str(key)))

    @classmethod
    def clear_expired(cls) -> None:
        """Redis expires sessions by itself."""

    def _idle_milliseconds(self) -> int:
        """Milliseconds this session may rest; an application may shorten the policy, never stretch it."""
        return min(self.get_expiry_age(), settings.SESSION_COOKIE_AGE) * 1000

    def _fields(self, data: Mapping[str, Any]) -> dict[str, str]:
        bound = {name: str(data.get(name, "")) for name in BINDING}
        return {"data": self.encode(dict(data)), "user_id": str(data.get(SESSION_KEY, "")), **bound}


def is_session_id(value: object) -> bool:
    """Whether a cookie's value has the form of an id of ours; nothing else reaches a store."""
    return isinstance(value, str) and SESSION_ID.fullmatch(value) is not None


def timestamp() -> str:
    """Return the time of writing as the wire contract has it: 2025-12-30T22:00:00Z."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def flatten(fields: Mapping[str, str]) -> list[str]:
    return [part for pair in fields.items() for part in pair]
