"""Wards and patients in the operators' admin."""

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from interconnect.apply import apply_batch
from interconnect.delivery import Delivery
from interconnect.queue import uuid7
from tests.builders import adt, oru
from tests.operators import root, staff
from vitals.models import Patient

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
