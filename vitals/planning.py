"""Keeping the newest plan of each visit, whichever order the statements arrive in."""

from collections.abc import Mapping, Sequence
from typing import Final

from django.db import connection

from vitals.events import Name, VisitPlanned
from vitals.visits import resolve_visits, unnumbered


def record_plans(plans: Sequence[VisitPlanned], patients: Mapping[Name, int]) -> None:
    """Write the plans, in the transaction at hand."""
    named = [(plan.visit or unnumbered(patients[plan.identity.key]), plan) for plan in plans]
    visits = resolve_visits({name: patients[plan.identity.key] for name, plan in named})
    rows = [(visits[name], plan.expected_discharge_at, list(plan.flags), plan.stated_at) for name, plan in named]
    with connection.cursor() as cursor:
        cursor.executemany(UPSERT, rows)


UPSERT: Final = """
INSERT INTO vitals_visitplan AS p (visit_id, expected_discharge_at, flags, stated_at) VALUES (%s, %s, %s, %s)
ON CONFLICT (visit_id) DO UPDATE SET expected_discharge_at = excluded.expected_discharge_at, flags = excluded.flags,
  stated_at = excluded.stated_at
WHERE excluded.stated_at > p.stated_at
"""
