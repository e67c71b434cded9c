"""Who looks after whom, in PostgreSQL and in the SETs other systems read."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from django_redis import get_redis_connection

from epicops import keys
from epicops.embedded.stack import Stack
from tests import factories
from vitals.assignments import assign, is_assigned, nurses_of
from vitals.models import Assignment

pytestmark = pytest.mark.django_db(transaction=True)


def members(key: str) -> set[int]:
    return {int(member) for member in get_redis_connection("default").smembers(key)}


def test_an_assignment_is_in_both_sets() -> None:
    amara, patient_id = factories.amara(), factories.admit(factories.bed()).patient_id
    assign([amara.pk], patient_id, at=now())

    assert members(keys.patients_of_nurse(amara.pk)) == {0, patient_id}
    assert members(keys.nurses_of_patient(patient_id)) == {0, amara.pk}


def test_membership_is_one_command_and_no_query() -> None:
    amara, patient_id = factories.amara(), factories.admit(factories.bed()).patient_id
    assign([amara.pk], patient_id, at=now())

    with CaptureQueriesContext(connection) as captured:
        assert is_assigned(amara.pk, patient_id)
        assert not is_assigned(amara.pk, patient_id + 1)
    assert len(captured) == 0


def test_an_absent_set_is_built_again_even_an_empty_one() -> None:
    amara, ben, patient_id = factories.amara(), factories.ben(), factories.admit(factories.bed()).patient_id
    assign([amara.pk], patient_id, at=now())
    get_redis_connection("default").flushall()

    assert (is_assigned(amara.pk, patient_id), is_assigned(ben.pk, patient_id)) == (True, False)
    assert members(keys.patients_of_nurse(ben.pk)) == {0}


def test_handing_over_ends_one_assignment_and_begins_the_next() -> None:
    amara, ben, patient_id = factories.amara(), factories.ben(), factories.admit(factories.bed()).patient_id
    assign([amara.pk], patient_id, at=now())
    assign([ben.pk], patient_id, at=now())

    assert (is_assigned(amara.pk, patient_id), is_assigned(ben.pk, patient_id)) == (False, True)
    assert nurses_of([patient_id]) == {patient_id: ["ben"]}
    assert Assignment.objects.exclude(to_at=None).get().nurse == amara


def test_a_nurse_of_two_patients_who_are_one_is_named_once() -> None:
    amara, patient = factories.amara(), factories.admit(factories.bed()).patient
    for _ in range(2):  # as a merge leaves them
        Assignment.objects.create(nurse=amara, patient=patient, from_at=now())

    assert nurses_of() == {patient.pk: ["amara"]}


def test_a_shift_that_is_over_or_has_not_begun_does_not_count() -> None:
    amara, patient = factories.amara(), factories.admit(factories.bed()).patient
    hour = timedelta(hours=1)
    Assignment.objects.create(nurse=amara, patient=patient, from_at=now() - 2 * hour, to_at=now() - hour)
    Assignment.objects.create(nurse=amara, patient=patient, from_at=now() + hour)

    assert not is_assigned(amara.pk, patient.pk)


def test_without_redis_postgresql_answers(stack: Stack) -> None:
    amara, patient_id = factories.amara(), factories.admit(factories.bed()).patient_id
    stack.cache.kill()
    assign([amara.pk], patient_id, at=now())

    assert (is_assigned(amara.pk, patient_id), is_assigned(amara.pk, patient_id + 1)) == (True, False)
