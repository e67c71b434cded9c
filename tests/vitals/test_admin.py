"""Wards and patients in the operators' admin."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from django_redis import get_redis_connection

from audit.models import AuditEvent
from epicops import keys
from interconnect.consumer.apply import apply_batch
from interconnect.consumer.delivery import Delivery
from interconnect.consumer.queue import uuid7
from tests import factories
from tests.builders import adt, oru
from tests.operators import root, staff
from vitals.codes import local_codes
from vitals.models import Bed, CodeMapping, OxygenTarget, Patient, UnmappedCode

pytestmark = pytest.mark.django_db

READ_ONLY = ("bed", "patient", "stay", "observation")


@pytest.fixture(autouse=True)
def _admitted() -> None:
    messages = (adt("A01", "00427013", family="Okafor"), oru("00427013", hr=78))
    apply_batch(uuid7(), [Delivery(number, raw).interpret() for number, raw in enumerate(messages)], "worker")


def test_patients_are_named_on_their_own_page_only(client: Client) -> None:
    client.force_login(staff("olu", "view_patient"))

    listed = client.get(reverse("admin:vitals_patient_changelist")).content.decode()
    opened = client.get(reverse("admin:vitals_patient_change", args=[Patient.objects.get().pk])).content.decode()

    assert "bed427" in listed
    assert "Okafor" not in listed
    assert "00427013" not in listed
    assert "Okafor" in opened
    assert "00427013" in opened


def test_looking_at_a_patient_is_audited(client: Client) -> None:
    client.force_login(staff("olu", "view_patient"))
    patient = Patient.objects.get()
    client.get(reverse("admin:vitals_patient_change", args=[patient.pk]))

    event = AuditEvent.objects.get(code="patient.view")

    assert (event.action, event.actor, event.patient_id) == ("R", "olu", patient.pk)


@pytest.mark.parametrize("model", READ_ONLY)
def test_what_messages_said_is_read_only(client: Client, model: str) -> None:
    client.force_login(root())
    listing = reverse(f"admin:vitals_{model}_changelist")

    assert client.get(listing).status_code == 200
    assert "1 " + model in client.get(listing).content.decode()
    assert client.get(f"{listing}add/").status_code == 403


def test_a_ward_keeps_the_code_its_messages_use(client: Client) -> None:
    client.force_login(root())
    unit = Patient.objects.get().visits.get().stays.get().bed.unit

    client.post(reverse("admin:vitals_unit_change", args=[unit.pk]), {"name": "Medical", "code": "OTHER"})

    unit.refresh_from_db()
    assert (unit.name, unit.code) == ("Medical", "MED")


def test_an_unmapped_code_is_offered_until_it_is_mapped(client: Client) -> None:
    client.force_login(root())
    UnmappedCode.objects.create(code="5", label="BP", count=7, seen_at=now(), message_id=1)
    listing = reverse("admin:vitals_unmappedcode_changelist")
    assert "?code=5&amp;system=" in client.get(listing).content.decode()

    answer = client.post(
        reverse("admin:vitals_codemapping_add"), {"code": "5", "system": "", "vital": "bp", "unit": ""}
    )

    assert answer.status_code == 302
    assert local_codes()[("5", "")].vital == "bp"
    assert "?code=5" not in client.get(listing).content.decode()
    assert AuditEvent.objects.filter(code="codemapping.add").count() == 1


def test_each_mapping_that_is_deleted_is_on_record_also_of_several(client: Client) -> None:
    client.force_login(root())
    one, *others = (CodeMapping.objects.create(code=code, vital="hr").pk for code in "123")

    client.post(reverse("admin:vitals_codemapping_delete", args=[one]), {"post": "yes"})
    several = {"action": "delete_selected", "_selected_action": others, "post": "yes"}
    client.post(reverse("admin:vitals_codemapping_changelist"), several)

    assert not CodeMapping.objects.exists()
    deleted = AuditEvent.objects.filter(code="codemapping.delete", action="D").values_list("object_id", flat=True)
    assert sorted(deleted) == [str(pk) for pk in (one, *others)]


def test_an_oxygen_target_has_an_author_and_a_time_and_stays(client: Client) -> None:
    client.force_login(root())
    patient = Patient.objects.get()

    client.post(reverse("admin:vitals_oxygentarget_add"), {"patient": patient.pk, "scale": 2})

    target = OxygenTarget.objects.get()
    assert (target.scale, target.decided_by.get_username()) == (2, "root")
    assert now() - target.decided_at < timedelta(minutes=1)
    assert client.post(reverse("admin:vitals_oxygentarget_change", args=[target.pk]), {"scale": 1}).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_an_oxygen_target_is_in_the_cached_document_at_once(client: Client) -> None:
    client.force_login(root())

    client.post(reverse("admin:vitals_oxygentarget_add"), {"patient": Patient.objects.get().pk, "scale": 2})

    raw = get_redis_connection("default").get(keys.vitals(Bed.objects.get().key))
    assert json.loads(raw)["scale"] == 2


@pytest.mark.django_db(transaction=True)
def test_an_assignment_made_in_the_admin_is_in_redis_at_once(client: Client) -> None:
    client.force_login(root())
    amara, patient = factories.amara(), Patient.objects.get()
    start = {"from_at_0": "2026-01-01", "from_at_1": "07:00:00", "to_at_0": "", "to_at_1": ""}

    client.post(reverse("admin:vitals_assignment_add"), {"nurse": amara.pk, "patient": patient.pk} | start)

    assert get_redis_connection("default").sismember(keys.patients_of_nurse(amara.pk), patient.pk)
