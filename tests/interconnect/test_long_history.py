"""What the worker asks the database again and again costs the same however many patients came and went."""

from typing import Final

import pytest
from django.db import connection, transaction

from interconnect.simulator import generate
from tests.builders import drain, push
from vitals.ingest import _rewrite_stays
from vitals.models import Bed, Patient, Visit
from vitals.whereabouts import read_presences

pytestmark = pytest.mark.django_db(transaction=True)

PAST: Final = 20_000  # patients
HISTORY: Final = """
INSERT INTO vitals_patient (family_name, given_name, sex, demographics_at)
SELECT 'Former', '', '', now() FROM generate_series(1, %(past)s);
INSERT INTO vitals_visit (patient_id, authority, number)
SELECT id, 'PAST', id FROM vitals_patient WHERE family_name = 'Former';
INSERT INTO vitals_stay (visit_id, bed_id, from_at, to_at, message_id, is_inferred, is_disputed)
SELECT id, %(bed)s, now() - interval '9 days', now() - interval '8 days', -id, false, false
FROM vitals_visit WHERE authority = 'PAST';
INSERT INTO vitals_movement (visit_id, kind, occurred_at, recorded_at, bed_id, message_id)
SELECT id, 'admit', now() - interval '9 days', now(), %(bed)s, -id FROM vitals_visit WHERE authority = 'PAST';
ANALYZE;
"""
READ_WHOLE: Final = "SELECT relname FROM pg_stat_xact_user_tables WHERE seq_tup_read >= %s ORDER BY relname"


def test_nothing_of_the_past_is_read_whole() -> None:
    push(*generate(400, beds=250))
    drain()
    patients, visits, beds = (list(model.objects.values_list("pk", flat=True)) for model in (Patient, Visit, Bed))
    with connection.cursor() as cursor:
        for statement in HISTORY.split(";")[:-1]:
            cursor.execute(statement, {"past": PAST, "bed": beds[0]})
        cursor.execute("SELECT pg_stat_force_next_flush()")  # reads of before count no longer

    with transaction.atomic(), connection.cursor() as cursor:
        read_presences(patients, beds)
        _rewrite_stays(visits)
        cursor.execute(READ_WHOLE, [PAST])

        assert cursor.fetchall() == []
