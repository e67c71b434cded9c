"""Applying what messages said, a whole batch at a time, in the transaction at hand.

Each step is one or two statements for the batch, whatever its size. Writing the same event twice changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from epicops.bulk import columns_of, reading_cursor, sending_cursor
from vitals import places
from vitals.events import (
    Event,
    Name,
    PatientDeleted,
    PatientMoved,
    PatientsMerged,
    VisitMerged,
    VisitPlanned,
    VitalsMeasured,
)
from vitals.identities import merge_patients, resolve_patients, update_details
from vitals.observations import count_unknown, merge_observations, observe
from vitals.planning import move_plans, record_plans
from vitals.stays import Moved, Span, derive_stays
from vitals.visits import Numbered, merge_visits, resolve_visits, unnumbered


class Arrival(NamedTuple):
    """An event and the inbound message it came in."""

    message_id: int
    event: Event


@dataclass(slots=True)
class Effects:
    """What a batch touched."""

    patients: dict[int, int] = field(default_factory=dict)  # patient id by message id
    beds: set[int] = field(default_factory=set)  # whose cached documents are out of date
    moved: set[int] = field(default_factory=set)  # patients who may be elsewhere now
    places: set[int] = field(default_factory=set)  # beds that may have another patient now
    elsewhere: set[int] = field(default_factory=set)  # messages with vitals whose PV1-3 is not the patient's place

    def __ior__(self, other: Self) -> Self:
        self.patients |= other.patients
        self.beds |= other.beds
        self.moved |= other.moved
        self.places |= other.places
        return self


def apply(arrivals: Sequence[Arrival]) -> Effects:
    """Write the events' effects and return what they touched."""
    events = [arrival.event for arrival in arrivals]
    patients = resolve_patients(events)
    effects = Effects()
    visit_ids = _merge(events, patients, effects)
    update_details(events, patients)
    visit_ids |= _move([(a.message_id, a.event) for a in arrivals if isinstance(a.event, PatientMoved)], patients)
    if visit_ids:
        effects.places |= _rewrite_stays(sorted(visit_ids))
        effects.moved |= places.patients_of(visit_ids)
    if plans := [event for event in events if isinstance(event, VisitPlanned)]:
        record_plans(plans, patients)
    measured = [(a.message_id, a.event) for a in arrivals if isinstance(a.event, VitalsMeasured)]
    if measured:
        observe(measured, patients)
        count_unknown(measured)
    whose_vitals = {patients[event.identity.key] for _, event in measured} | effects.moved
    found = places.presences(whose_vitals) if whose_vitals else []
    effects.beds |= effects.places | {presence.bed_id for presence in found}
    effects.elsewhere = places.measured_elsewhere(measured, patients, found)
    effects.patients = {a.message_id: patients[a.event.identity.key] for a in reversed(arrivals)}  # of two the first
    return effects


def _merge(events: Sequence[Event], patients: dict[Name, int], effects: Effects) -> set[int]:
    """Apply merges and deletions first: the rest of the batch is then about the survivors. Return visits concerned."""
    visit_ids: set[int] = set()
    merges = [event for event in events if isinstance(event, PatientsMerged)]
    survivors = merge_patients(merges, patients) if merges else {}
    if survivors:
        merge_observations(survivors)
        effects.moved |= set(survivors) | set(survivors.values())
        visit_ids |= places.visits_of(survivors.values())
    visits = [event for event in events if isinstance(event, VisitMerged)]
    if visits or survivors:
        merged = merge_visits(visits, patients, survivors, effects.moved)
        move_plans(merged)
        visit_ids |= merged
    if deletions := [event for event in events if isinstance(event, PatientDeleted)]:
        visit_ids |= places.visits_of(places.delete_patients(deletions))
    return visit_ids


def _move(moves: Sequence[tuple[int, PatientMoved]], patients: dict[Name, int]) -> set[int]:
    """Add the movements and return the ids of their visits."""
    if not moves:
        return set()
    visits = resolve_visits({_visit_of(event, patients) for _, event in moves})
    named = [location for _, event in moves for location in (event.location, event.prior_location) if location]
    beds = places.resolve_beds(dict.fromkeys(named))
    rows: dict[tuple[object, ...], tuple[object, ...]] = {}
    for message_id, event in moves:
        bed_id, prior_id = beds.get(event.location), beds.get(event.prior_location)
        key = (visits[_visit_of(event, patients)], event.kind.value, event.occurred_at, bed_id)
        row = (*key, prior_id, event.recorded_at, message_id)
        if key not in rows or _newer(row, rows[key]):
            rows[key] = row
    with sending_cursor() as cursor:
        cursor.execute(INSERT_MOVEMENTS, columns_of(rows.values(), 7))
    return set(visits.values())


def _visit_of(event: PatientMoved, patients: dict[Name, int]) -> Numbered:
    pk = patients[event.identity.key]
    return event.visit or unnumbered(pk), pk


def _newer(row: tuple[object, ...], other: tuple[object, ...]) -> bool:
    (prior, recorded), (other_prior, other_recorded) = row[4:6], other[4:6]
    return (recorded, prior or 0) > (other_recorded, other_prior or 0)


def _rewrite_stays(visit_ids: list[int]) -> set[int]:
    """Derive the stays of these visits anew and return every bed that is or was theirs."""
    movements: dict[int, list[Moved]] = {pk: [] for pk in visit_ids}
    with reading_cursor() as cursor:
        cursor.execute(MOVEMENTS, {"visits": visit_ids})
        for visit_id, *moved in cursor.fetchall():
            movements[visit_id].append(Moved(*moved))
        rows = [(visit_id, *span) for visit_id in visit_ids for span in derive_stays(movements[visit_id])]
        columns = columns_of(rows, 1 + len(Span._fields))
        cursor.execute(REWRITE_STAYS, [*columns, visit_ids, visit_ids])
        return {row[0] for row in cursor.fetchall()}


# A second statement of the same movement (a resend) counts as made when it was last made.
INSERT_MOVEMENTS = """
INSERT INTO vitals_movement AS m (visit_id, kind, occurred_at, bed_id, prior_bed_id, recorded_at, message_id)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::timestamptz[],
  %s::bigint[])
ON CONFLICT (visit_id, occurred_at, kind, coalesce(bed_id, 0)) DO UPDATE SET
  recorded_at = excluded.recorded_at, prior_bed_id = excluded.prior_bed_id
WHERE (excluded.recorded_at, coalesce(excluded.prior_bed_id, 0)) > (m.recorded_at, coalesce(m.prior_bed_id, 0))
"""
# The deletion of a person (A29) ends each of the visits, those that come to be known later too. LATERAL and LIMIT, here
# and elsewhere: for many rows PostgreSQL would rather read all patients than look for each.
MOVEMENTS = """
SELECT visit_id, occurred_at, kind, bed_id, prior_bed_id, recorded_at, message_id
FROM vitals_movement WHERE visit_id = ANY(%(visits)s)
UNION ALL
SELECT v.id, p.deleted_at, 'discharge', NULL, NULL, p.deleted_at, 0
FROM vitals_visit v CROSS JOIN LATERAL (
  SELECT deleted_at FROM vitals_patient WHERE id = v.patient_id AND deleted_at IS NOT NULL LIMIT 1) p
WHERE v.id = ANY(%(visits)s)
"""
REWRITE_STAYS = """
WITH derived AS (
  SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::bool[],
    %s::bool[]) AS d(visit_id, bed_id, from_at, to_at, message_id, is_inferred, is_disputed)),
gone AS (
  DELETE FROM vitals_stay s WHERE s.visit_id = ANY(%s) AND NOT EXISTS (
    SELECT 1 FROM derived d WHERE d.visit_id = s.visit_id AND d.from_at = s.from_at)
  RETURNING s.bed_id),
old AS (SELECT bed_id FROM vitals_stay WHERE visit_id = ANY(%s)),
new AS (
  INSERT INTO vitals_stay AS s (visit_id, bed_id, from_at, to_at, message_id, is_inferred, is_disputed)
  SELECT * FROM derived
  ON CONFLICT (visit_id, from_at) DO UPDATE SET bed_id = excluded.bed_id, to_at = excluded.to_at,
    message_id = excluded.message_id, is_inferred = excluded.is_inferred, is_disputed = excluded.is_disputed
  WHERE (s.bed_id, s.to_at, s.is_inferred, s.is_disputed)
    IS DISTINCT FROM (excluded.bed_id, excluded.to_at, excluded.is_inferred, excluded.is_disputed)
  RETURNING bed_id)
SELECT bed_id FROM gone UNION SELECT bed_id FROM old UNION SELECT bed_id FROM new
"""
