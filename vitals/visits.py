"""Which visit a message is about: numbers, merges, and whose visit it is."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import connection

from epicops.bulk import columns_of, copy_rows, next_ids
from vitals.events import Name, VisitMerged
from vitals.identities import follow
from vitals.models import Visit


def unnumbered(patient_id: int) -> Name:
    """Name the one visit of a patient whose messages carry no visit number; no number of a sender looks like it."""
    return f"unnumbered:{patient_id}", "epicops"


def resolve_visits(wanted: Mapping[Name, int]) -> dict[Name, int]:
    """Return the visit id of each (number, authority), opening visits of the given patients where unknown.

    A number that was merged away gives the visit it was merged into.
    """
    found = _find_visits(wanted)
    missing = {key: patient_id for key, patient_id in wanted.items() if key not in found}
    if missing:
        created = dict(zip(missing, next_ids(Visit, len(missing)), strict=True))
        rows = ((pk, missing[key], *key) for key, pk in created.items())
        copy_rows(Visit, ("id", "patient_id", "number", "authority"), rows)
        found |= created
    return found


def _find_visits(keys: Iterable[Name]) -> dict[Name, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT v.number, v.authority, coalesce(v.merged_into_id, v.id) FROM vitals_visit v
               JOIN unnest(%s::text[], %s::text[]) AS wanted(number, authority) USING (number, authority)""",
            columns_of(keys, 2),
        )
        return {(number, authority): visit_id for number, authority, visit_id in cursor.fetchall()}


def merge_visits(
    merges: Sequence[VisitMerged], patients: Mapping[Name, int], survivors: Mapping[int, int], moved: set[int]
) -> set[int]:
    """Make visits one, those without a number of merged patients too; return the ids of every visit concerned.

    `moved` gains the patients who lose or gain a visit.
    """
    merges = sorted(merges, key=lambda merge: merge.stated_at)
    owners = {key: patients[merge.identity.key] for merge in merges for key in (merge.old, merge.visit)}
    owners |= {unnumbered(new): new for new in survivors.values()}
    left_behind = _find_visits(unnumbered(old) for old in survivors)
    ids = resolve_visits({key: pk for key, pk in owners.items() if pk not in survivors})
    pairs = [(ids[merge.old], ids[merge.visit]) for merge in merges]
    for old, new in survivors.items():
        if (visit_id := left_behind.get(unnumbered(old))) is not None:
            pairs.append((visit_id, ids[unnumbered(new)]))
    merged: dict[int, int] = {}
    for pair in pairs:
        old, new = (follow(merged, visit_id) for visit_id in pair)
        if old != new:
            merged[old] = new
    final = {old: follow(merged, old) for old in merged}
    _move_rows(final)
    statements = {follow(merged, ids[merge.visit]): merge for merge in merges}  # the newest of each visit
    _reassign([(pk, patients[merge.identity.key], merge.stated_at) for pk, merge in statements.items()], moved)
    return {*final, *final.values(), *statements}


def _move_rows(merged: Mapping[int, int]) -> None:
    if not merged:
        return
    parameters = {"old": list(merged), "new": list(merged.values())}
    with connection.cursor() as cursor:
        for statement in MERGE:
            cursor.execute(statement, parameters)


def _reassign(rows: Sequence[tuple[int, int, datetime]], moved: set[int]) -> None:
    """Make the visits those patients' where that was stated later than whose they are."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE vitals_visit v SET patient_id = n.patient_id, patient_at = n.stated
               FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS n(id, patient_id, stated),
                 vitals_visit old
               WHERE v.id = n.id AND old.id = v.id AND (v.patient_at IS NULL OR v.patient_at < n.stated)
               RETURNING old.patient_id, v.patient_id""",
            columns_of(rows, 3),
        )
        moved.update(patient_id for row in cursor.fetchall() for patient_id in row)


MERGE = (
    """INSERT INTO vitals_movement AS m (visit_id, kind, occurred_at, bed_id, prior_bed_id, recorded_at, message_id)
        SELECT DISTINCT ON (merged.new, kind, occurred_at, coalesce(bed_id, 0))
          merged.new, kind, occurred_at, bed_id, prior_bed_id, recorded_at, message_id
        FROM unnest(%(old)s::bigint[], %(new)s::bigint[]) AS merged(old, new)
        JOIN vitals_movement ON visit_id = merged.old
        ORDER BY merged.new, kind, occurred_at, coalesce(bed_id, 0), recorded_at DESC, coalesce(prior_bed_id, 0) DESC
        ON CONFLICT (visit_id, occurred_at, kind, coalesce(bed_id, 0)) DO UPDATE SET
          recorded_at = excluded.recorded_at, prior_bed_id = excluded.prior_bed_id
        WHERE (excluded.recorded_at, coalesce(excluded.prior_bed_id, 0)) >
          (m.recorded_at, coalesce(m.prior_bed_id, 0))""",
    "DELETE FROM vitals_movement WHERE visit_id = ANY(%(old)s)",
    """UPDATE vitals_visit v SET merged_into_id = merged.new
        FROM unnest(%(old)s::bigint[], %(new)s::bigint[]) AS merged(old, new)
        WHERE merged.old IN (v.id, v.merged_into_id)""",
)
