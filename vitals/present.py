"""Whether events would change the present: where patients are, their latest readings, their details."""

from collections.abc import Sequence
from typing import Final

from django.db import InterfaceError, OperationalError, connection, transaction

from vitals.events import Event
from vitals.ingest import Arrival, apply

UNSAVED: Final = 0  # stands for the message's number
Present = list[tuple[str, ...]]


def changes_present(events: Sequence[Event]) -> bool:
    """Say whether more than history would change if these events were applied now. Changes nothing.

    What cannot be applied at all changes nothing either. Raises OperationalError or InterfaceError in an outage.
    """
    try:
        with transaction.atomic():
            effects = apply([Arrival(UNSAVED, event) for event in events])
            patients = sorted({*effects.patients.values(), *effects.moved})
            after = _present(patients)
            transaction.set_rollback(True)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # noqa: BLE001  applying them for good will say what is wrong
        return False
    return _present(patients) != after


def _present(patients: Sequence[int]) -> Present:
    with connection.cursor() as cursor:
        cursor.execute(PRESENT, {"patients": list(patients)})
        return list(cursor.fetchall())


PRESENT: Final = """
SELECT 'patient', id, family_name, given_name, birth_date::text, sex
FROM vitals_patient WHERE id = ANY(%(patients)s)
UNION ALL
SELECT 'stay', s.visit_id, s.bed_id::text, s.from_at::text, '', ''
FROM vitals_stay s JOIN vitals_visit v ON v.id = s.visit_id
WHERE v.patient_id = ANY(%(patients)s) AND s.to_at IS NULL
UNION ALL
(SELECT DISTINCT ON (patient_id, vital) vital, patient_id, value::text, status, observed_at::text, ''
FROM vitals_observation WHERE patient_id = ANY(%(patients)s) AND is_shown
ORDER BY patient_id, vital, observed_at DESC)
ORDER BY 1, 2, 3, 4
"""
