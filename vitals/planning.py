"""Keeping the newest plan and status of each visit, whichever order the statements arrive in."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from django.db import connection

from epicops.bulk import columns_of
from vitals.events import Name, VisitPlanned
from vitals.visits import Numbered, resolve_visits, unnumbered


class Planned(NamedTuple):
    """The columns of `vitals_visitplan`; of a part that nobody stated the time is None."""

    visit_id: int
    expected_discharge_at: datetime | None = None
    flags: Sequence[str] = ()
    stated_at: datetime | None = None
    status: Sequence[str] = ()
    status_at: datetime | None = None

    def followed_by(self, later: "Planned") -> "Planned":
        """Return this with what another states, part by part, unless it was stated earlier."""
        is_plan_newer = later.stated_at and (self.stated_at is None or later.stated_at >= self.stated_at)
        is_status_newer = later.status_at and (self.status_at is None or later.status_at >= self.status_at)
        plan, status = later if is_plan_newer else self, later if is_status_newer else self
        return Planned(self.visit_id, *plan[1:4], *status[4:])


def record_plans(plans: Sequence[VisitPlanned], patients: Mapping[Name, int]) -> None:
    """Write the plans, in the transaction at hand."""
    numbered = [(_visit_of(plan, patients[plan.identity.key]), plan) for plan in plans]
    visits = resolve_visits({name for name, _ in numbered})
    _write(_stated(visits[name], plan) for name, plan in numbered)


def move_plans(visit_ids: Collection[int]) -> None:
    """Give the plans of those of these visits that were merged away to the visits they were merged into."""
    with connection.cursor() as cursor:
        cursor.execute(MERGED, [list(visit_ids)])
        moved = [Planned(*row) for row in cursor.fetchall()]
    if moved:
        _write(moved)


def _visit_of(plan: VisitPlanned, patient_id: int) -> Numbered:
    return plan.visit or unnumbered(patient_id), patient_id


def _stated(visit_id: int, plan: VisitPlanned) -> Planned:
    return Planned(
        visit_id,
        plan.expected_discharge_at,
        plan.flags or (),
        None if plan.flags is None else plan.stated_at,
        plan.status,
        plan.stated_at,
    )


def _write(plans: Iterable[Planned]) -> None:
    newest: dict[int, Planned] = {}
    for plan in plans:
        known = newest.get(plan.visit_id)
        newest[plan.visit_id] = known.followed_by(plan) if known else plan
    rows = [row._replace(flags=list(row.flags), status=list(row.status)) for row in newest.values()]
    with connection.cursor() as cursor:
        cursor.execute(UPSERT, columns_of(rows, 6))


UPSERT: Final = """
INSERT INTO vitals_visitplan AS p (visit_id, expected_discharge_at, flags, stated_at, status, status_at)
SELECT visit_id, expected_discharge_at, flags::text[], stated_at, status::text[], status_at
FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::timestamptz[], %s::text[], %s::timestamptz[])
  AS n(visit_id, expected_discharge_at, flags, stated_at, status, status_at)
ON CONFLICT (visit_id) DO UPDATE SET
  expected_discharge_at = CASE WHEN excluded.stated_at >= coalesce(p.stated_at, '-infinity')
    THEN excluded.expected_discharge_at ELSE p.expected_discharge_at END,
  flags = CASE WHEN excluded.stated_at >= coalesce(p.stated_at, '-infinity') THEN excluded.flags ELSE p.flags END,
  stated_at = greatest(p.stated_at, excluded.stated_at),
  status = CASE WHEN excluded.status_at >= coalesce(p.status_at, '-infinity') THEN excluded.status ELSE p.status END,
  status_at = greatest(p.status_at, excluded.status_at)
"""
MERGED: Final = """
DELETE FROM vitals_visitplan p USING vitals_visit v
WHERE v.id = p.visit_id AND v.merged_into_id IS NOT NULL AND v.id = ANY(%s)
RETURNING v.merged_into_id, p.expected_discharge_at, p.flags, p.stated_at, coalesce(p.status, '{}'), p.status_at
"""
