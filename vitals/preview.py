"""What events would change, without changing it: they are applied in a transaction that is rolled back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from django.db import connection, transaction

from vitals.events import Event, PatientMoved, VitalsMeasured
from vitals.ingest import Arrival, apply

UNSAVED: Final = 0  # stands for the message's number

Fields = tuple[tuple[str, str], ...]


class Change(NamedTuple):
    """One row that would differ. `before` is empty for a new row, `after` for one that would go."""

    what: str  # "stay", "vital" or "patient"
    row: str  # such as "visit 17 from 2026-03-02 09:00:00+00"
    before: Fields
    after: Fields


@dataclass(frozen=True, slots=True)
class Preview:
    """The effect of applying a message now; `ignored` says what of it would change nothing, and why."""

    changes: tuple[Change, ...]
    ignored: tuple[str, ...]


def preview(events: Sequence[Event]) -> Preview:
    """Return what these events would do to stays, vitals and patients' details if they were applied now.

    Takes the locks of a real application and gives them back at once. Raises what applying would raise.
    """
    with transaction.atomic():
        effects = apply([Arrival(UNSAVED, event) for event in events])
        patients = sorted({*effects.patients.values(), *effects.moved})
        after = _rows(patients)
        transaction.set_rollback(True)
    before = _rows(patients)
    changes = tuple(
        Change(*key, before.get(key, ()), after.get(key, ()))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    )
    touched = {change.what for change in changes}
    return Preview(changes, tuple(_ignored(events, touched)))


def _ignored(events: Sequence[Event], touched: set[str]) -> list[str]:
    reasons = []
    if any(isinstance(event, PatientMoved) for event in events) and "stay" not in touched:
        reasons.append(
            "The movement changes no stay: it is known already, is planned only, or later ones supersede it."
        )
    if any(isinstance(event, VitalsMeasured) and event.signs for event in events) and "vital" not in touched:
        reasons.append("The values change nothing: they are known already, or weightier statements stand.")
    return reasons


def _rows(patient_ids: Sequence[int]) -> dict[tuple[str, str], Fields]:
    with connection.cursor() as cursor:
        cursor.execute(ROWS, {"patients": list(patient_ids)})
        return {(what, row): tuple(json.loads(fields).items()) for what, row, fields in cursor.fetchall()}


ROWS: Final = """
SELECT 'patient', 'patient ' || id, jsonb_build_object('family name', family_name, 'given name', given_name,
  'born', coalesce(birth_date::text, ''), 'sex', sex)
FROM vitals_patient WHERE id = ANY(%(patients)s)
UNION ALL
SELECT 'stay', 'visit ' || s.visit_id || ' from ' || s.from_at, jsonb_build_object('bed', b.key,
  'until', coalesce(s.to_at::text, ''), 'patient', v.patient_id::text)
FROM vitals_stay s JOIN vitals_visit v ON v.id = s.visit_id JOIN vitals_bed b ON b.id = s.bed_id
WHERE v.patient_id = ANY(%(patients)s)
UNION ALL
SELECT 'vital', vital || ' of patient ' || patient_id || ' at ' || observed_at || CASE sub_id WHEN '' THEN '' ELSE
  ' ' || sub_id END, jsonb_build_object('value', value::text, 'status', status, 'shown', is_shown::text)
FROM vitals_observation WHERE patient_id = ANY(%(patients)s)
"""
