"""What events would change, without changing it: they are applied in a transaction that is rolled back."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from django.db import InterfaceError, OperationalError, connection, transaction

from vitals.events import Event, PatientMoved, VitalsMeasured
from vitals.ingest import Arrival, apply

UNSAVED: Final = 0  # stands for the message's number

Fields = tuple[tuple[str, str], ...]
Rows = dict[tuple[str, str], Fields]  # by what they are and which one


class Change(NamedTuple):
    """One row that would differ. `before` is empty for a new row, `after` for one that would go."""

    what: str  # "stay", "vital" or "patient"
    row: str  # such as "visit 17 from 2026-03-02 09:00:00+00"
    before: Fields
    after: Fields

    @property
    def differences(self) -> list[tuple[str, str, str]]:
        """The fields that differ: name, before, after."""
        before, after = dict(self.before), dict(self.after)
        names = dict.fromkeys((*before, *after))
        pairs = ((name, before.get(name, ""), after.get(name, "")) for name in names)
        return [(name, old, new) for name, old, new in pairs if old != new]


@dataclass(frozen=True, slots=True)
class Preview:
    """The effect of applying a message now; `ignored` says what of it would change nothing, and why."""

    changes: tuple[Change, ...]
    ignored: tuple[str, ...]


def previews(messages: Sequence[Sequence[Event]]) -> list[Preview | Exception]:
    """Return what each message's events would do to stays, vitals and patients' details, applied now and in order.

    A message sees what those before it did; one that cannot be applied has the exception instead of a preview.
    Takes the locks of a real application and gives them back at the end.
    """
    with transaction.atomic():
        seen = [_apply(events) for events in messages]
        transaction.set_rollback(True)
    touched = set[int]().union(*(rows for rows in seen if isinstance(rows, dict)))
    rows_now = _rows(touched)
    return [
        rows if isinstance(rows, Exception) else _preview(events, rows_now, rows)
        for events, rows in zip(messages, seen, strict=True)
    ]


def _apply(events: Sequence[Event]) -> dict[int, Rows] | Exception:
    """Apply the events; return the rows of each patient they were about, or what went wrong."""
    try:
        with transaction.atomic():
            effects = apply([Arrival(UNSAVED, event) for event in events])
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001  as in a batch: whatever one message provokes, the others go on
        return error
    return _rows({*effects.patients.values(), *effects.moved})


def _preview(events: Sequence[Event], rows_now: dict[int, Rows], rows: dict[int, Rows]) -> Preview:
    """Compare the patients' rows with those before, and make `rows_now` those the next message finds."""
    before = {key: row for patient in rows for key, row in rows_now[patient].items()}
    after = {key: row for patient in rows.values() for key, row in patient.items()}
    rows_now |= rows
    changes = tuple(
        Change(*key, before.get(key, ()), after.get(key, ()))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    )
    return Preview(changes, tuple(_ignored(events, {change.what for change in changes})))


def _ignored(events: Sequence[Event], touched: set[str]) -> list[str]:
    reasons = []
    if any(isinstance(event, PatientMoved) for event in events) and "stay" not in touched:
        reasons.append(
            "The movement changes no stay: it is known already, is planned only, or later ones supersede it."
        )
    if any(isinstance(event, VitalsMeasured) and event.signs for event in events) and "vital" not in touched:
        reasons.append("The values change nothing: they are known already, or weightier statements stand.")
    return reasons


def _rows(patients: Iterable[int]) -> dict[int, Rows]:
    """Return each patient's rows."""
    found: dict[int, Rows] = {patient: {} for patient in patients}
    with connection.cursor() as cursor:
        cursor.execute(ROWS, {"patients": list(found)})
        for patient, what, row, fields in cursor.fetchall():
            found[patient][what, row] = tuple(json.loads(fields).items())
    return found


ROWS: Final = """
SELECT id, 'patient', 'patient ' || id, jsonb_build_object('family name', family_name, 'given name', given_name,
  'born', coalesce(birth_date::text, ''), 'sex', sex)
FROM vitals_patient WHERE id = ANY(%(patients)s)
UNION ALL
SELECT v.patient_id, 'stay', 'visit ' || s.visit_id || ' from ' || s.from_at, jsonb_build_object('bed', b.key,
  'until', coalesce(s.to_at::text, ''), 'patient', v.patient_id::text)
FROM vitals_stay s JOIN vitals_visit v ON v.id = s.visit_id JOIN vitals_bed b ON b.id = s.bed_id
WHERE v.patient_id = ANY(%(patients)s)
UNION ALL
SELECT patient_id, 'vital', vital || ' of patient ' || patient_id || ' at ' || observed_at || CASE sub_id
  WHEN '' THEN '' ELSE ' ' || sub_id END,
  jsonb_build_object('value', value::text, 'status', status, 'shown', is_shown::text)
FROM vitals_observation WHERE patient_id = ANY(%(patients)s)
"""
