"""Django's session engine over `session:{id}`: other systems read `HGET session:{id} role`, Redis keeps the clock.

`role`, `department`, `portal` and the other fields in clear (`held.CLEAR`) appear in the session like any other key,
but are not part of its signed data: what the hash says now is what a request sees, so a change of role counts at once.
Where they give more than what the signed data was bound to, or that is another session's, the registry is asked: nobody
is promoted by an HSET.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.core.signing import BadSignature

from audit.models import AuditEvent
from epicops.crypto import SealBroken, open_text, seal_text
from epicops.portal import is_as_signed, policy, rights
from sessions_app import stores
from sessions_app.held import CLEAR, Conflict, Draft, Held, merge
from sessions_app.ids import fingerprint, handle, is_session_id
from sessions_app.renewal import renew
from sessions_app.signing import signer
from sessions_app.trust import SessionsUnavailable

__all__ = ["SessionStore", "SessionsUnavailable"]

security_logger = logging.getLogger("django.security.SuspiciousSession")

CREATE_TRIES: Final = 10
MERGE_TRIES: Final = 200  # each lost try is somebody else's write, so a hundred at once all get through
FAMILY: Final = "session"  # of sealed values
SIGNED_FOR: Final = "for"  # of the signed data: the session that they are of
MERGE_PAUSE: Final = 0.01  # seconds at most, so that the many do not meet again


class SessionStore(SessionBase):
    """One session. Anything that is not one of our ids is a miss; a session that ended stays ended."""

    if TYPE_CHECKING:  # of SessionBase; the stubs leave them out
        _session_key: str | None

        def _get_new_session_key(self) -> str: ...
        def _get_session(self, *, no_load: bool = False) -> dict[str, Any]: ...

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.held: Held | None = None  # as it was loaded
        self.is_activity: Callable[[], bool] = bool  # the middleware knows; by itself, looking is no activity
        self.end_reason = "logout"
        self._known_base: dict[str, Any] | None = None

    def encode(self, session_dict: dict[str, Any]) -> str:
        """Return the signed data, sealed where the settings have a key ring."""
        signed = signer(self.key_salt).sign_object(session_dict, serializer=self.serializer, compress=True)
        return seal_text(signed, FAMILY)

    def decode(self, session_data: str) -> dict[str, Any]:  # type: ignore[override]  # the stores hold texts only
        return self._read(session_data, {})[0]

    def load(self) -> dict[str, Any]:
        """Return the session's data, or an empty dict and no key where there is none."""
        held = None
        if is_session_id(self.session_key):
            held = stores.load(str(self.session_key), touch=self.is_activity())
        data, is_mine = self._read(held.data, held.clear) if held else ({}, True)
        if held and not (is_mine and is_as_signed(data)):
            held = self._as_recorded(held, is_mine=is_mine)
            data, is_mine = self._read(held.data, held.clear) if held else ({}, True)
            self.modified |= bool(data) and not is_mine  # of a release that did not say whose it is: signed anew
        if held is None:
            self._session_key = None
        self.held, self._known_base = held, None
        return data

    def _as_recorded(self, held: Held, *, is_mine: bool) -> Held | None:
        """Return the session as the registry has it; put on record that somebody wrote into its hash, if so."""
        known = stores.recorded(str(self.session_key))
        if known is None:
            return None
        is_foreign = not is_mine and held.data != known.data
        if is_foreign or any(value != known.clear[name] for name, value in held.clear.items()):
            pseudonym = handle(str(self.session_key))
            AuditEvent.objects.record(
                "E", "session.altered", actor="sessions", object_type="session", object_id=pseudonym
            )
        return known

    def exists(self, session_key: str | None = None) -> bool:
        return is_session_id(session_key) and stores.load(str(session_key)) is not None

    def create(self) -> None:
        """Store this session under a fresh id; one that goes on under it keeps its absolute limit."""
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
        """Write the session; raise UpdateError for one that ended.

        What another request has written meanwhile is kept, but for the keys that both changed. Unless told not to
        `extend` it, this is activity.
        """
        if self.session_key is None:
            return self.create()
        mine = self._get_session(no_load=must_create)
        if must_create:
            draft = self._draft(mine, {}, 0)
            if not stores.create(self.session_key, draft):
                raise CreateError
            self._saved(1, mine, draft)
            return None
        return self._update(mine, extend=extend)

    def delete(self, session_key: str | None = None) -> None:
        key = session_key if session_key is not None else self.session_key
        if is_session_id(key):
            stores.end(str(key), self.end_reason)

    def flush(self) -> None:
        """End the session; what follows is another one, with limits of its own."""
        super().flush()
        self.held = None

    def cycle_key(self) -> None:
        """Go on under a new id: at login, unlock and every change of privilege (ASVS 5.0, 7.2.4)."""
        self.end_reason = "renewed"
        super().cycle_key()
        self.end_reason = "logout"

    def renew_if_changed(self) -> None:
        """Go on under a new id where role or department are no longer those that the present one was given out for."""
        if self.held is None or not self.session_key:
            return
        mine, ver = self._get_session(), self.held.ver
        now = rights(mine)
        if mine.get("bound", now) == now:
            return
        renewed, old_id = mine | {"bound": now}, self.session_key
        self._session_key = self._get_new_session_key()  # for which the draft is signed
        draft = self._draft(renewed, renewed, ver)
        if not renew(old_id, self._session_key, draft.data, ver):
            self._session_key = old_id
            return
        self._session_cache = renewed
        self._saved(ver + 1, renewed, draft)
        self.modified = True  # so that the answer sets the cookie

    @property
    def seconds_left(self) -> int:
        """Until this session ends without activity."""
        return max(self.held.left // 1000, 0) if self.held else 0

    @property
    def locks_in(self) -> int:
        """Seconds until it locks without activity; 0 when it has, or never does."""
        if self.held is None or not self.held.lock or self.get("locked"):
            return 0
        return max(min(self.held.lock - self.held.since, self.held.left) // 1000, 0)

    @property
    def _base(self) -> dict[str, Any]:
        """As this session was loaded or last saved: what a save is compared with. Made when one comes."""
        if self._known_base is None:
            self._known_base = self._read(self.held.data, self.held.clear)[0] if self.held else {}
        return self._known_base

    @classmethod
    def clear_expired(cls) -> None:
        """Redis expires sessions by itself; `sweep_sessions` records it."""

    def _update(self, mine: dict[str, Any], *, extend: bool) -> None:
        base, ver = self._base, self.held.ver if self.held else 0
        for _ in range(MERGE_TRIES):
            draft = self._draft(mine, base, ver, extend=extend)
            result = stores.update(str(self.session_key), draft)
            if result is None:
                raise UpdateError
            if not isinstance(result, Conflict):
                self._saved(result, mine, draft)
                return
            theirs, ver = self._theirs(result, {str(name): str(base[name]) for name in CLEAR if name in base})
            mine = self._session_cache = merge(base, mine, theirs)
            base = theirs
            time.sleep(random.uniform(0, MERGE_PAUSE))  # noqa: S311
        raise UpdateError

    def _theirs(self, written: Conflict, clear: Mapping[str, str]) -> tuple[dict[str, Any], int]:
        """Return what somebody has written meanwhile, and its version; the registry's where it is no word of ours."""
        data, is_mine = self._read(written.data, clear)
        if is_mine:
            return data, written.ver
        known = stores.recorded(str(self.session_key))
        if known is None:
            raise UpdateError
        return self._read(known.data, clear)[0], known.ver

    def _draft(self, data: Mapping[str, Any], base: Mapping[str, Any], ver: int, *, extend: bool = True) -> Draft:
        clear = {name: str(data.get(name, "")) for name in CLEAR if data.get(name) != base.get(name)}
        own = {key: value for key, value in data.items() if key not in CLEAR}
        limits = policy(str(data.get("portal", "")))
        absolute = min(limits.absolute * 1000, self.held.deadline if self.held else limits.absolute * 1000)
        return Draft(
            data=self.encode(own | {SIGNED_FOR: fingerprint(str(self.session_key))}),
            user_id=str(data.get(SESSION_KEY, "")),
            clear=clear,
            # An application may shorten a session, never stretch it.
            idle=max(min(self.get_expiry_age(), limits.idle), -1) * 1000,
            lock=limits.lock * 1000,
            absolute=absolute,
            base=ver,
            extend=extend,
        )

    def _saved(self, ver: int, data: Mapping[str, Any], draft: Draft) -> None:
        """Let a second save of this request start from what it has just written."""
        since = self.held.since if self.held and not draft.extend else 0
        left = min(draft.idle - since, draft.absolute)
        self.held = Held(ver, draft.data, left, draft.absolute, draft.idle, draft.lock, since)
        self._known_base = self._copy(data)

    def _read(self, data: str, clear: Mapping[str, str]) -> tuple[dict[str, Any], bool]:
        """Return what a session shows, empty where the data are broken, and whether they were signed for this one."""
        try:
            decoded = signer(self.key_salt).unsign_object(open_text(data, FAMILY), serializer=self.serializer)
        except SealBroken:
            return {}, False
        except (BadSignature, ValueError):  # what stands beside it counts no more
            security_logger.warning("Session data corrupted")  # as Django says it
            return {}, False
        is_mine = decoded.pop(SIGNED_FOR, "") == fingerprint(str(self.session_key))
        return {**decoded, **{name: value for name, value in clear.items() if value}}, is_mine

    def _copy(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a load would return: nested values are not shared with the session."""
        serializer = self.serializer()
        copied: dict[str, Any] = serializer.loads(serializer.dumps(dict(data)))
        return copied
