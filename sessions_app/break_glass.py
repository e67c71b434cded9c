"""Emergency access (45 CFR 164.312(a)(2)(ii)): a reason and the password open every ward for a while.

It is a state of one session: `bg_until` and `bg_ref` stand in `session:{id}`, where the check of the role sees them in
the same round trip (`epicops.portal.emergency`). It closes by itself, for the session at its time and on record by the
sweeper. Both ends are audit events; the reason's own words stay in the row.
"""

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.timezone import now

from audit.models import AuditEvent
from epicops.clock import timestamp
from sessions_app import stores
from sessions_app.live import LIVE, ids, renew
from sessions_app.models import BreakGlass, User

CLOSED: Final = {"bg_until": "", "bg_ref": ""}
End = BreakGlass.End


def open_glass(request: HttpRequest, user: User, *, reason: str, explanation: str) -> BreakGlass:
    """Open every ward to this session, which goes on under a new id."""
    until = now() + timedelta(seconds=settings.SESSION_BREAK_GLASS)
    with transaction.atomic():
        access = BreakGlass.objects.create(user=user, reason=reason, explanation=explanation, until=until)
        _record("break_glass.open", access, {"reason": reason, "until": timestamp(until)}, user, request)
    glass = [timestamp(until), str(access.pk)]
    request.session.update({"bg_until": glass[0], "bg_ref": glass[1], "glass": glass})  # the last is signed
    renew(request, user)
    return access


def close(which: Q, how: End, *, actor: AbstractBaseUser | str, request: HttpRequest | None = None) -> int:
    """Close the open accesses that match, one audit event each; return how many this call closed."""
    return sum(_close(access, how, actor, request) for access in BreakGlass.objects.unclosed().filter(which))


def close_overdue(*, actor: str) -> int:
    """Close the accesses whose time is up or whose session has ended."""
    closed = close(Q(until__lte=Now()), End.EXPIRED, actor=actor)
    return closed + close(Q(pk__in=BreakGlass.objects.orphaned()), End.SESSION, actor=actor)


def _close(access: BreakGlass, how: End, actor: AbstractBaseUser | str, request: HttpRequest | None) -> bool:
    """Take it from the session first: what is on record as closed is closed."""
    records = list(LIVE.filter(user_id=access.user_id, bg_ref=str(access.pk)))
    LIVE.filter(pk__in=[record.pk for record in records]).update(**CLOSED)
    stores.set_fields(dict.fromkeys(ids(records), CLOSED))
    with transaction.atomic():
        is_mine = bool(BreakGlass.objects.unclosed().filter(pk=access.pk).update(closed_at=Now(), closed_by=how))
        if is_mine:
            _record("break_glass.close", access, {"how": str(how)}, actor, request)
    return is_mine


def _record(
    code: str, access: BreakGlass, detail: dict[str, str], actor: AbstractBaseUser | str, request: HttpRequest | None
) -> None:
    AuditEvent.objects.record(
        "E",
        code,
        actor=actor,
        request=request,
        object_type="break_glass",
        object_id=access.pk,
        detail=detail | {"user_id": access.user_id},
    )
