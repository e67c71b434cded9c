"""Which visit a message is about: numbers, merges, and whose visit it is."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Final

from django.db import connection

from epicops.bulk import columns_of, copy_rows, next_ids
from vitals.events import Name, VisitMerged
from vitals.identities import follow
from vitals.models import Visit

Numbered = tuple[Name, int]  # a visit's number, and the patient whose messages name it

FIRST: Final = 0  # the namesake of whose number it was first


def unnumbered(patient_id: int) -> Name:
    """Name the one visit of a patient whose messages carry no visit number; no number of a sender looks like it."""
    return f"unnumbered:{patient_id}", "epicops"


def resolve_visits(wanted: Collection[Numbered]) -> dict[Numbered, int]:
    """Return the visit id of each number of a patient, opening those that are unknown.

    A number that was merged away gives the visit it was merged into. One that is another patient's gives a visit apart:
    numbers without an authority repeat. But where a message moved it, it is whose that said, by whomever it is named.
    """
    found: dict[Numbered, int] = {}
    taken: set[Name] = set()  # by another patient's visit
    with connection.cursor() as cursor:
        cursor.execute(OWN_VISITS, columns_of(((*name, patient_id) for name, patient_id in wanted), 3))
        for number, authority, patient_id, visit_id, is_taken in cursor.fetchall():
            if visit_id is not None:
                found[(number, authority), patient_id] = visit_id
            elif is_taken:
                taken.add((number, authority))
    return found | _open_visits([numbered for numbered in wanted if numbered not in found], taken)


def _open_visits(missing: Sequence[Numbered], taken: set[Name]) -> dict[Numbered, int]:
    if not missing:
        return {}
    rows = []
    for pk, (name, patient_id) in zip(next_ids(Visit, len(missing)), missing, strict=True):
        rows.append((pk, patient_id, *name, patient_id if name in taken else FIRST))
        taken.add(name)
    copy_rows(Visit, ("id", "patient_id", "number", "authority", "namesake"), rows)
    return {numbered: row[0] for numbered, row in zip(missing, rows, strict=True)}


def _find_visits(names: Iterable[Name]) -> dict[Name, list[int]]:
    """Return the visits of each number, whosever they are, that which was known first at the front."""
    found: dict[Name, list[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT v.number, v.authority, coalesce(v.merged_into_id, v.id) FROM vitals_visit v
               JOIN unnest(%s::text[], %s::text[]) AS wanted(number, authority) USING (number, authority)
               ORDER BY v.namesake""",
            columns_of(names, 2),
        )
        for number, authority, visit_id in cursor.fetchall():
            found.setdefault((number, authority), []).append(visit_id)
    return found


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
    known = _find_visits(owners)
    missing = [(name, pk) for name, pk in owners.items() if name not in known and pk not in survivors]
    ids = {name: visits[0] for name, visits in known.items()}
    ids |= {name: pk for (name, _), pk in _open_visits(missing, set()).items()}
    pairs = [(ids[merge.old], ids[merge.visit]) for merge in merges]
    # Whose a number is has been said: what others seemed to have under it is this visit.
    pairs += [(apart, visits[0]) for visits in known.values() for apart in visits[1:]]
    pairs += _namesakes(survivors.values())
    for old, new in survivors.items():
        pairs += [(visit_id, ids[unnumbered(new)]) for visit_id in left_behind.get(unnumbered(old), ())]
    merged: dict[int, int] = {}
    for pair in pairs:
        old, new = (follow(merged, visit_id) for visit_id in pair)
        if old != new:
            merged[old] = new
    final = {old: follow(merged, old) for old in merged}
    _move_rows(final)
    statements = {follow(merged, ids[merge.visit]): merge for merge in merges}  # the newest of each visit
    said = [(pk, patients[merge.identity.key], merge.stated_at) for pk, merge in statements.items()]
    _reassign(sorted([*said, *_said_before(final)], key=itemgetter(2)), moved)
    return {*final, *final.values(), *statements}


def _namesakes(patient_ids: Iterable[int]) -> list[tuple[int, int]]:
    """Return the visits of merged patients that have one number, each with that which was known first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT v.id, first.id FROM vitals_visit v JOIN vitals_visit first USING (patient_id, number, authority)
               WHERE v.patient_id = ANY(%s) AND first.namesake < v.namesake
                 AND v.merged_into_id IS NULL AND first.merged_into_id IS NULL""",
            [list(patient_ids)],
        )
        return [(later, first) for later, first in cursor.fetchall()]


def _move_rows(merged: Mapping[int, int]) -> None:
    if not merged:
        return
    parameters = {"old": list(merged), "new": list(merged.values())}
    with connection.cursor() as cursor:
        for statement in MERGE:
            cursor.execute(statement, parameters)


def _said_before(merged: Mapping[int, int]) -> list[tuple[int, int, datetime]]:
    """Return what was stated of visits that are merged now, as (visit they are merged into, patient, when)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT merged.new, v.patient_id, v.patient_at FROM unnest(%s::bigint[], %s::bigint[]) AS merged(old, new)
               JOIN vitals_visit v ON v.id = merged.old WHERE v.patient_at IS NOT NULL""",
            columns_of(merged.items(), 2),
        )
        return [(visit_id, patient_id, stated) for visit_id, patient_id, stated in cursor.fetchall()]


def _reassign(said: Iterable[tuple[int, int, datetime]], moved: set[int]) -> None:
    """Make the visits those patients' where that was stated later than whose they are; the latest comes last."""
    rows = {row[0]: row for row in said}
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE vitals_visit v SET patient_id = n.patient_id, patient_at = n.stated
               FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[]) AS n(id, patient_id, stated),
                 vitals_visit old
               WHERE v.id = n.id AND old.id = v.id AND (v.patient_at IS NULL OR v.patient_at < n.stated)
               RETURNING old.patient_id, v.patient_id""",
            columns_of(rows.values(), 3),
        )
        moved.update(patient_id for row in cursor.fetchall() for patient_id in row)


# Of a number's visits the patient's own goes first; then one that a message moved, by which the number is that visit's.
OWN_VISITS: Final = """
SELECT wanted.number, wanted.authority, wanted.patient_id, own.id, EXISTS (
  SELECT 1 FROM vitals_visit v WHERE (v.number, v.authority) = (wanted.number, wanted.authority))
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS wanted(number, authority, patient_id)
LEFT JOIN LATERAL (
  SELECT final.id FROM vitals_visit v JOIN vitals_visit final ON final.id = coalesce(v.merged_into_id, v.id)
  WHERE (v.number, v.authority) = (wanted.number, wanted.authority)
    AND (final.patient_id = wanted.patient_id OR final.patient_at IS NOT NULL)
  ORDER BY final.patient_id = wanted.patient_id DESC, v.namesake LIMIT 1) own ON true
"""
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
