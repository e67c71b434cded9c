"""Beds and units by the names senders give them, and who is there."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from django.db import connection
from django.utils.text import slugify

from epicops.bulk import columns_of
from vitals.events import Location
from vitals.models import Bed, Unit


def current_beds(patient_ids: set[int]) -> set[int]:
    """Return the ids of the beds these patients are in."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT s.bed_id FROM vitals_stay s JOIN vitals_visit v ON v.id = s.visit_id
               WHERE s.to_at IS NULL AND v.patient_id = ANY(%s)""",
            [list(patient_ids)],
        )
        return {row[0] for row in cursor.fetchall()}


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


def delete_patients(deleted: Mapping[int, datetime]) -> None:
    """Note that these persons were deleted (A29); their rows stay, for the audit."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE vitals_patient p SET deleted_at = greatest(p.deleted_at, n.at)
               FROM unnest(%s::bigint[], %s::timestamptz[]) AS n(id, at) WHERE p.id = n.id""",
            columns_of(deleted.items(), 2),
        )


def resolve_beds(locations: Collection[Location]) -> dict[Location | None, int]:
    """Return the bed id of each location, adding units and beds that were never seen."""
    found = _find_beds(locations)
    for location in (location for location in locations if location not in found):
        unit, _ = Unit.objects.get_or_create(facility=location.facility, code=location.unit)
        bed = Bed.objects.create(unit=unit, room=location.room, label=location.bed, key=_free_key(location))
        found[location] = bed.pk
    return found


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
