"""Copies of where patients are, for other systems: `patient:<id>:location` and `bed:<bed>:patient`.

Derived from the stays, written through after each commit and renewed by the worker before they expire. What could not
be written while Redis was away is therefore wrong for no longer than TTL.
"""

from collections.abc import Collection, Sequence
from typing import Final

from django_redis import get_redis_connection
from redis.exceptions import RedisError

from epicops import keys
from epicops.breaker import CircuitOpen
from epicops.bulk import reading_cursor
from vitals.cache import breaker
from vitals.models import Bed
from vitals.places import PRESENCE, Presence

TTL: Final = 60  # seconds
SLICE: Final = 500  # patients whose copies are renewed in one round trip


def write_through(patient_ids: Collection[int], bed_ids: Collection[int]) -> None:
    """Replace the copies of these patients and beds after a commit: one query or two and one round trip."""
    names = dict(Bed.objects.filter(pk__in=bed_ids).values_list("pk", "key"))
    copies = [*map(keys.location, patient_ids), *map(keys.occupant, names.values())]
    if not copies:
        return
    presences = read_presences(patient_ids, bed_ids)
    by_patient = {presence.patient_id: presence for presence in reversed(presences)}
    by_bed = {presence.bed_id: presence for presence in reversed(presences)}
    try:
        with breaker.guard(), get_redis_connection("default").pipeline(transaction=True) as pipeline:
            pipeline.delete(*copies)
            for patient_id in by_patient.keys() & patient_ids:
                key = keys.location(patient_id)
                pipeline.hset(key, mapping=_fields(by_patient[patient_id]))
                pipeline.expire(key, TTL)
            for bed_id in by_bed.keys() & names:
                pipeline.set(keys.occupant(names[bed_id]), by_bed[bed_id].patient_id, ex=TTL)
            pipeline.execute()
    except (CircuitOpen, RedisError):
        return  # the breaker has logged it, and the copies expire


def refresh() -> None:
    """Write the copies of everybody who is in a bed; those of others expire. One query."""
    presences = read_presences()
    try:
        with breaker.guard():
            for start in range(0, len(presences), SLICE):
                _renew(presences[start : start + SLICE])
    except (CircuitOpen, RedisError):
        return  # the breaker has logged it


def _renew(presences: Sequence[Presence]) -> None:
    with get_redis_connection("default").pipeline(transaction=False) as pipeline:
        for presence in reversed(presences):  # of two the later arrival is written last
            key = keys.location(presence.patient_id)
            pipeline.hset(key, mapping=_fields(presence))
            pipeline.expire(key, TTL)
            pipeline.set(keys.occupant(presence.key), presence.patient_id, ex=TTL)
        pipeline.execute()


def _fields(presence: Presence) -> dict[str, str | int]:
    """Return the HASH as other systems read it; `since` in Unix seconds."""
    return {
        "bed": presence.key,
        "unit": presence.unit,
        "room": presence.room,
        "facility": presence.facility,
        "visit": presence.visit_id,
        "since": int(presence.from_at.timestamp()),
    }


def read_presences(patient_ids: Collection[int] | None = None, bed_ids: Collection[int] = ()) -> list[Presence]:
    """Return who of these patients is where and who is in these beds, the latest arrival first; without any, all."""
    with reading_cursor() as cursor:
        cursor.execute(
            f"""SELECT {PRESENCE} FROM vitals_stay s
               CROSS JOIN LATERAL (SELECT patient_id FROM vitals_visit WHERE id = s.visit_id LIMIT 1) v
               JOIN vitals_bed b ON b.id = s.bed_id JOIN vitals_unit u ON u.id = b.unit_id
               WHERE s.to_at IS NULL AND (%(all)s OR v.patient_id = ANY(%(patients)s) OR s.bed_id = ANY(%(beds)s))
               ORDER BY s.from_at DESC, s.id DESC""",  # noqa: S608  our own constant
            {"all": patient_ids is None, "patients": list(patient_ids or ()), "beds": list(bed_ids)},
        )
        return [Presence(*row) for row in cursor.fetchall()]
