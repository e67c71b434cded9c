"""A patient's own vitals: in plain words, for that patient only, and on record."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from epicops.portal import MYCHART
from sessions_app.models import User
from tests import factories
from vitals.models import PatientAccount, Visit

pytestmark = pytest.mark.django_db

OWN = "/mychart/"


@pytest.fixture
def visit() -> Visit:
    visit = factories.admit(factories.bed())
    factories.observe(visit)
    return visit


def patient(visit: Visit, username: str = "maya") -> Client:
    """The browser of somebody whose account is this visit's patient's."""
    user = factories.person(username, User.Role.PATIENT)
    PatientAccount.objects.create(user=user, patient=visit.patient)
    return factories.signed_in(Client(), user, MYCHART)


def test_a_patient_reads_their_own_vitals_in_plain_words(visit: Visit) -> None:
    shown = patient(visit).get(OWN).content.decode()

    assert '<span class="value">78</span> beats a minute' in shown
    assert '<span class="value">120/80</span> mmHg' in shown
    assert "Usual for most adults at rest: 60 to 100." in shown
    assert [event.patient_id for event in AuditEvent.objects.filter(code="mychart.view")] == [visit.patient_id]


def test_a_round_temperature_has_its_decimal(visit: Visit) -> None:
    factories.observe(visit, temp=37)

    shown = patient(visit).get(OWN).content.decode()

    assert '<span class="value">37.0</span>' in shown
    assert ">37<" not in shown  # nor in the table below


def test_nobody_elses_vitals_are_in_it(visit: Visit) -> None:
    other = factories.admit(factories.bed("bed428"), "Haddad")
    factories.observe(other, hr=99)

    shown = patient(visit).get(OWN).content.decode()

    assert ">99<" not in shown
    assert "Haddad" not in shown


def test_what_nobody_has_checked_says_so_and_a_child_has_no_adults_range(visit: Visit) -> None:
    visit.patient.birth_date = timezone.localdate() - timedelta(days=900)
    visit.patient.save()
    factories.observe(visit, status="R", hr=120)

    shown = patient(visit).get(OWN).content.decode()

    assert "has not checked it yet" in shown
    assert "Usual for" not in shown


def test_an_account_follows_a_merged_record(visit: Visit) -> None:
    maya = patient(visit)
    survivor = factories.admit(factories.bed("bed428"))
    factories.observe(survivor, hr=61)
    visit.patient.merged_into = survivor.patient
    visit.patient.save()

    assert b">61<" in maya.get(OWN).content


def test_an_account_of_nobody_finds_nothing() -> None:
    assert factories.signed_in(Client(), factories.person("x", User.Role.PATIENT), MYCHART).get(OWN).status_code == 404


def test_staff_and_strangers_do_not_come_in(client: Client) -> None:
    assert factories.signed_in(client, factories.amara()).get(OWN).status_code == 403
    assert Client().get(OWN)["Location"].startswith("/mychart/login/")
