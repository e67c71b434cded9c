"""Sessions of other people: end them, change what they may do, keep to their number.

All of it goes through the registry's own connection: nobody's open transaction holds a session's row. Redis follows
after the commit.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connections, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.http import HttpRequest

from audit.models import AuditEvent, event
from epicops.portal import OPERATIONS, ROLES, policy
from sessions_app import stores, vouching
from sessions_app.ids import key_hash, unseal
from sessions_app.models import SessionRecord, User
from sessions_app.registry import ALIAS

LOCK_CLASS: Final = 0x5345_5353  # "SESS": our half of pg_advisory_xact_lock's two integers; the other is the user
Reason = SessionRecord.Reason
LIVE: Final = SessionRecord.objects.using(ALIAS).filter(ended_at=None)


@transaction.atomic(using=ALIAS)
def end_sessions(
    which: Q, reason: str, *, actor: AbstractBaseUser | str, request: HttpRequest | None = None
) -> list[SessionRecord]:
    """End the live sessions that match; one audit event each. Return those that this call ended."""
    by = actor if isinstance(actor, str) else actor.get_username()
    records = []
    while found := _locked(which):
        LIVE.filter(pk__in=[record.pk for record in found]).update(ended_at=Now(), end_reason=reason, ended_by=by)
        records += found
    record_ends(records, reason, actor=actor, request=request)
    transaction.on_commit(lambda: vouching.clear(ids(records)), using=ALIAS)
    return records


def _locked(which: Q) -> list[SessionRecord]:
    """Lock the live sessions that match. Ask until there are none: one that was renewed meanwhile has another row."""
    return list(LIVE.select_for_update().filter(which).order_by("key_hash"))


def record_ends(
    records: Iterable[SessionRecord],
    reason: str,
    *,
    actor: AbstractBaseUser | str,
    request: HttpRequest | None = None,
) -> None:
    """Write the audit event of each session's end."""
    AuditEvent.objects.record_all(
        [
            event(
                "E",
                "session.end",
                actor=actor,
                request=request,
                object_type="session",
                object_id=record.handle,
                detail={"reason": reason, "user_id": record.user_id, "portal": record.portal},
            )
            for record in records
        ]
    )


@transaction.atomic(using=ALIAS)
def follow(user: User, *, actor: AbstractBaseUser | str, request: HttpRequest | None = None) -> None:
    """Bring a user's live sessions in line with their role, department and `is_active`, or end them."""
    mine = Q(user_id=user.pk)
    if not user.is_active:
        end_sessions(mine, Reason.DEACTIVATED, actor=actor, request=request)
        return
    barred = Q(portal__in=[portal for portal, roles in ROLES.items() if user.role not in roles])
    if not user.is_staff:
        barred |= Q(portal=OPERATIONS)
    end_sessions(mine & barred, Reason.ROLE, actor=actor, request=request)
    now = {"role": user.role, "department": user.department}
    records = []
    while found := _locked(mine & ~Q(**now)):
        LIVE.filter(pk__in=[record.pk for record in found]).update(**now)
        records += found
    for record in records:
        AuditEvent.objects.record(
            "U",
            "session.role",
            actor=actor,
            request=request,
            object_type="session",
            object_id=record.handle,
            detail=now,
        )
    rewrite: Mapping[str, Mapping[str, str]] = dict.fromkeys(ids(records), now)
    transaction.on_commit(lambda: stores.set_fields(rewrite), using=ALIAS)


@transaction.atomic(using=ALIAS)
def admit(key_hash: str, user: User, portal: str, request: HttpRequest) -> bool:
    """Keep a person to the number of sessions a portal allows; False when it is this new one that has to go.

    Logins of one person come one at a time here, so that two at once do not both find a free place.
    """
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_CLASS, user.pk % 2**31])
    limits = policy(portal)
    live = LIVE.filter(user_id=user.pk, portal=portal, admitted_at__isnull=False, deadline__gt=Now()).order_by(
        "-admitted_at", "key_hash"
    )
    others = list(live.values_list("key_hash", flat=True))
    if limits.is_refused and len(others) >= limits.at_once:
        end_sessions(Q(pk=key_hash), Reason.LIMIT, actor=user, request=request)
        return False
    LIVE.filter(pk=key_hash).update(admitted_at=Now())
    end_sessions(Q(pk__in=others[limits.at_once - 1 :]), Reason.LIMIT, actor=user, request=request)
    catch_up(key_hash, user)
    return True


def catch_up(key_hash: str, user: User) -> None:
    """Do what `follow` did before there was this session: it was made from what a request had read earlier."""
    account = User.objects.get(pk=user.pk)
    is_current = LIVE.filter(pk=key_hash, role=account.role, department=account.department).exists()
    if not is_current or not account.is_active:
        follow(account, actor=account)


def renew(request: HttpRequest, user: User) -> None:
    """Go on under a new id, as after unlocking and at every change of privilege (ASVS 5.0, 7.2.4)."""
    session = request.session
    session.cycle_key()
    admit(key_hash(str(session.session_key)), user, session["portal"], request)


def ids(records: Sequence[SessionRecord]) -> list[str]:
    """Return the sessions' ids; empty for one that was sealed under another SECRET_KEY, and which nobody can use."""
    return [_id(record) for record in records]


def _id(record: SessionRecord) -> str:
    try:
        return unseal(record.sealed_id, record.key_hash)
    except ValueError:
        return ""
