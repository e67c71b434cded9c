"""Who looks after whom now: rows in PostgreSQL, copies in Redis as `nurse:<id>:patients` and `patient:<id>:nurses`.

A SET always has the member NOBODY, so that a nurse without patients can be told from one that nobody looked up.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.timezone import now
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from epicops import keys
from epicops.breaker import CircuitOpen
from vitals.cache import breaker
from vitals.models import Assignment, Patient

TTL: Final = 60  # seconds; also how late a shift that ends by itself is noticed
NOBODY: Final = "0"  # no id of ours


def current(at: datetime) -> QuerySet[Assignment]:
    """Return the assignments that hold at a moment."""
    return Assignment.objects.filter(Q(to_at=None) | Q(to_at__gt=at), from_at__lte=at)


def during(from_at: datetime, to_at: datetime | None) -> QuerySet[Assignment]:
    """Return the assignments that hold at some moment of this time, which is open-ended without `to_at`."""
    is_before_end = Q() if to_at is None else Q(from_at__lt=to_at)
    is_taken_back = Q(to_at=F("from_at"))  # before it began
    return Assignment.objects.filter(Q(to_at=None) | Q(to_at__gt=from_at), is_before_end).exclude(is_taken_back)


def is_assigned(nurse_id: int, patient_id: int) -> bool:
    """Whether the nurse looks after the patient: one SISMEMBER where the answer is yes; a missing SET is rebuilt."""
    key = keys.patients_of_nurse(nurse_id)
    try:
        with breaker.guard():
            client = get_redis_connection("default")
            if client.sismember(key, patient_id):
                return True
            if client.sismember(key, NOBODY):
                return False
    except (CircuitOpen, RedisError):
        return current(now()).filter(nurse=nurse_id, patient=patient_id).exists()
    patients = set(current(now()).filter(nurse=nurse_id).values_list("patient", flat=True))
    _replace({key: patients})
    return patient_id in patients


def nurses_of(patient_ids: Collection[int] | None = None) -> dict[int, list[str]]:
    """Return the names of who looks after these patients, or all, from PostgreSQL: pages show people, not ids."""
    rows = current(now()).order_by("nurse__username")
    if patient_ids is not None:
        rows = rows.filter(patient__in=patient_ids)
    found: dict[int, list[str]] = {}
    for patient_id, first, last, username in rows.values_list(
        "patient", "nurse__first_name", "nurse__last_name", "nurse__username"
    ).distinct():  # a merge gives one patient what two had
        found.setdefault(patient_id, []).append(f"{first} {last}".strip() or username)
    return found


@transaction.atomic
def assign(nurse_ids: Iterable[int], patient_id: int, *, at: datetime, until: datetime | None = None) -> None:
    """Make exactly these nurses look after the patient from `at` until `until`; copies follow after the commit."""
    wanted = set(nurse_ids)
    Patient.objects.select_for_update(no_key=True).get(pk=patient_id)  # two plans for one patient: one, then the other
    standing = list(during(at, until).filter(patient=patient_id))
    before = {row.nurse_id for row in standing}
    for row in standing:
        if row.nurse_id in wanted:
            row.from_at = min(row.from_at, at)
            row.to_at = max(row.to_at, until) if row.to_at and until else None  # what was to last longer still does
        else:
            row.to_at = max(row.from_at, at)  # ended, never removed: one that was only planned ends as it begins
    Assignment.objects.bulk_update(standing, ("from_at", "to_at"))
    Assignment.objects.bulk_create(
        Assignment(nurse_id=nurse_id, patient_id=patient_id, from_at=at, to_at=until) for nurse_id in wanted - before
    )
    transaction.on_commit(lambda: write_through(before | wanted, {patient_id}))


def write_through(nurse_ids: Collection[int], patient_ids: Collection[int]) -> None:
    """Replace the copies about these nurses and patients after a commit."""
    sets: dict[str, set[int]] = {keys.patients_of_nurse(pk): set() for pk in nurse_ids}
    sets |= {keys.nurses_of_patient(pk): set() for pk in patient_ids}
    rows = current(now()).filter(Q(nurse__in=nurse_ids) | Q(patient__in=patient_ids))
    for nurse_id, patient_id in rows.values_list("nurse", "patient"):
        if nurse_id in nurse_ids:
            sets[keys.patients_of_nurse(nurse_id)].add(patient_id)
        if patient_id in patient_ids:
            sets[keys.nurses_of_patient(patient_id)].add(nurse_id)
    _replace(sets)


def _replace(sets: dict[str, set[int]]) -> None:
    try:
        with breaker.guard(), get_redis_connection("default").pipeline(transaction=True) as pipeline:
            for key, members in sets.items():
                pipeline.delete(key)
                pipeline.sadd(key, NOBODY, *members)
                pipeline.expire(key, TTL)
            pipeline.execute()
    except (CircuitOpen, RedisError):
        return  # the breaker has logged it, and the copies expire
