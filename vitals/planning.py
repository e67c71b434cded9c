"""Keeping the newest plan of each visit, whichever order the statements arrive in."""

from collections.abc import Mapping, Sequence
from typing import Final

from django.db import connection

from epicops.bulk import columns_of
from vitals.events import Name, VisitPlanned
from vitals.visits import Numbered, resolve_visits, unnumbered


def record_plans(plans: Sequence[VisitPlanned], patients: Mapping[Name, int]) -> None:
    """Write the plans, in the transaction at hand."""
    numbered = [(_visit_of(plan, patients[plan.identity.key]), plan) for plan in plans]
    visits = resolve_visits({name for name, _ in numbered})
    newest: dict[int, VisitPlanned] = {}
    for name, plan in numbered:
        known = newest.setdefault(visits[name], plan)
        if plan.stated_at >= known.stated_at:
            newest[visits[name]] = plan
    rows = [(pk, plan.expected_discharge_at, list(plan.flags), plan.stated_at) for pk, plan in newest.items()]
    with connection.cursor() as cursor:
        cursor.execute(UPSERT, columns_of(rows, 4))


def _visit_of(plan: VisitPlanned, patient_id: int) -> Numbered:
    return plan.visit or unnumbered(patient_id), patient_id


UPSERT: Final = """
INSERT INTO vitals_visitplan AS p (visit_id, expected_discharge_at, flags, stated_at)
SELECT visit_id, expected_discharge_at, flags::text[], stated_at
FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::timestamptz[])
  AS n(visit_id, expected_discharge_at, flags, stated_at)
ON CONFLICT (visit_id) DO UPDATE SET expected_discharge_at = excluded.expected_discharge_at, flags = excluded.flags,
  stated_at = excluded.stated_at
WHERE excluded.stated_at >= p.stated_at
"""
