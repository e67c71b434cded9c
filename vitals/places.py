"""Beds and units by the names senders give them, and who is there."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Final, NamedTuple

from django.db import connection
from django.utils.text import slugify

from epicops.bulk import columns_of, reading_cursor
from vitals.events import Location, Name, PatientDeleted, VitalsMeasured
from vitals.models import Bed, Unit

PRESENCE: Final = "v.patient_id, s.bed_id, s.visit_id, s.from_at, b.key, u.code, b.room, b.label, u.facility"


class Presence(NamedTuple):
    """A patient in a bed now, since `from_at`; `key` is the bed's name in Redis, `bed` what senders call it."""

    patient_id: int
    bed_id: int
    visit_id: int
    from_at: datetime
    key: str
    unit: str
    room: str
    bed: str
    facility: str

    def is_in(self, stated: Location) -> bool:
        """Whether this is the place a sender names; what it leaves out may be anything."""
        known = (self.unit, self.room, self.bed, self.facility)
        named = (stated.unit, stated.room, stated.bed, stated.facility)
        return all(part in ("", own) for part, own in zip(named, known, strict=True))


def presences(patient_ids: set[int]) -> list[Presence]:
    """Return where these patients are, those of them that are in a bed."""
    with reading_cursor() as cursor:
        cursor.execute(
            f"""SELECT {PRESENCE} FROM vitals_stay s JOIN vitals_visit v ON v.id = s.visit_id
               JOIN vitals_bed b ON b.id = s.bed_id JOIN vitals_unit u ON u.id = b.unit_id
               WHERE s.to_at IS NULL AND v.patient_id = ANY(%s)""",  # noqa: S608  our own constant
            [list(patient_ids)],
        )
        return [Presence(*row) for row in cursor.fetchall()]


def measured_elsewhere(
    measured: Iterable[tuple[int, VitalsMeasured]], patients: Mapping[Name, int], found: Iterable[Presence]
) -> set[int]:
    """Return the messages whose PV1-3 names a place where the patient was not known to be when it was measured."""
    elsewhere = set()
    here: dict[int, list[Presence]] = {}
    for presence in found:
        here.setdefault(presence.patient_id, []).append(presence)
    for message_id, event in measured:
        if event.location is None:
            continue
        at = max((sign.observed_at for sign in event.signs), default=event.stated_at)
        present = here.get(patients[event.identity.key], [])
        is_late = any(presence.from_at > at for presence in present)  # it is about an earlier stay
        if not is_late and not any(presence.is_in(event.location) for presence in present):
            elsewhere.add(message_id)
    return elsewhere


def patients_of(visit_ids: Collection[int]) -> set[int]:
    """Return the ids of these visits' patients."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT patient_id FROM vitals_visit WHERE id = ANY(%s)", [list(visit_ids)])
        return {row[0] for row in cursor.fetchall()}


def visits_of(patient_ids: Iterable[int]) -> set[int]:
    """Return the ids of these patients' visits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM vitals_visit WHERE patient_id = ANY(%s)", [list(patient_ids)])
        return {row[0] for row in cursor.fetchall()}


def delete_patients(deletions: Iterable[PatientDeleted]) -> set[int]:
    """Note that these persons were deleted (A29); return their ids. Their rows stay, for the audit.

    What is deleted under the number of a record that was merged into another one is that record, not the other.
    """
    rows = [(*event.identity.key, event.stated_at) for event in deletions]
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE vitals_patient p SET deleted_at = greatest(p.deleted_at, n.at)
               FROM (SELECT i.patient_id, max(w.at) AS at
                     FROM unnest(%s::text[], %s::text[], %s::timestamptz[]) AS w(value, authority, at)
                     JOIN vitals_patientidentifier i USING (value, authority)
                     WHERE NOT i.is_former GROUP BY i.patient_id) n
               WHERE p.id = n.patient_id RETURNING p.id""",
            columns_of(rows, 3),
        )
        return {row[0] for row in cursor.fetchall()}


def resolve_beds(locations: Collection[Location]) -> dict[Location | None, int]:
    """Return the bed id of each location, adding units and beds that were never seen."""
    found = _find_beds(locations)
    for location in (location for location in locations if location not in found):
        unit, _ = Unit.objects.get_or_create(facility=location.facility, code=location.unit)
        bed = Bed(_bed_id(location), unit=unit, room=location.room, label=location.bed, key=_free_key(location))
        bed.save(force_insert=True)
        found[location] = bed.pk
    return found


def _bed_id(location: Location) -> int:
    """Return an id made from the place's name.

    Of two statements about one moment the bed's id decides at last: it must not depend on which bed was named first.
    """
    name = f"{location.facility}\0{location.unit}\0{location.room}\0{location.bed}"
    return int.from_bytes(blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest(), "big") >> 1


def _find_beds(locations: Iterable[Location]) -> dict[Location | None, int]:
    rows = [(place.unit, place.room, place.bed, place.facility) for place in locations]
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT u.code, b.room, b.label, u.facility, b.id
               FROM vitals_bed b JOIN vitals_unit u ON u.id = b.unit_id
               JOIN unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS w(code, room, label, facility)
                 ON (u.code, b.room, b.label, u.facility) = (w.code, w.room, w.label, w.facility)""",
            columns_of(rows, 4),
        )
        return {Location(unit, room, bed, facility): pk for unit, room, bed, facility, pk in cursor.fetchall()}


def _free_key(location: Location) -> str:
    """Return the shortest free name: bed427, med-bed427, med-12-bed427, then numbered ones."""
    bed = f"bed{location.bed}" if location.bed else ""
    longer = (location.unit, location.room, bed)
    names = [slugify(bed), slugify(f"{location.unit} {bed}"), slugify(" ".join(longer)) or "place"]
    names = [name[:60] for name in names if name]
    taken = set(Bed.objects.filter(key__startswith=names[-1]).values_list("key", flat=True))
    taken |= set(Bed.objects.filter(key__in=names).values_list("key", flat=True))
    numbered = (f"{names[-1]}-{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (*names, *numbered) if name not in taken)
