"""Who is in a bed: ages as wards write them, flags, and for whom NEWS2 is made."""

from datetime import date

import pytest

from tests import factories
from vitals.assignments import assign
from vitals.models import Bed, VisitPlan
from vitals.occupants import age_on, read_occupants

TODAY = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("born", "text"),
    [
        (date(1961, 3, 2), "65 y"),
        (date(1961, 3, 3), "64 y"),
        (date(2026, 3, 2), "0 d"),
        (date(2026, 1, 31), "30 d"),
        (date(2025, 1, 31), "13 mo"),
        (date(2027, 1, 1), ""),
        (None, ""),
    ],
)
def test_age_of_a_patient(born: date | None, text: str) -> None:
    assert age_on(TODAY, born) == text


@pytest.mark.django_db
def test_an_occupant_has_nurses_flags_and_a_discharge() -> None:
    visit, amara = factories.admit(factories.bed()), factories.amara()
    assign([amara.pk], visit.patient_id, at=visit.stays.get().from_at)
    VisitPlan.objects.create(
        visit=visit, flags=["isolation"], expected_discharge_at=factories.today(18), stated_at=factories.today(8)
    )

    (occupant,) = read_occupants(Bed.objects.all())[Bed.objects.get().pk]

    assert occupant.nurses == ("amara",)
    assert occupant.flags == (VisitPlan.Flag.ISOLATION,)
    assert occupant.discharge_at == factories.today(18)
    assert occupant.without_news2 == ""


@pytest.mark.django_db
def test_news2_is_not_made_in_pregnancy() -> None:
    visit = factories.admit(factories.bed())
    VisitPlan.objects.create(visit=visit, flags=["pregnant"], stated_at=factories.today(8))

    (occupant,) = read_occupants(Bed.objects.all())[Bed.objects.get().pk]

    assert occupant.without_news2 == "pregnant"


@pytest.mark.django_db
def test_a_wall_shows_initials() -> None:
    factories.admit(factories.bed(), "Okafor")

    (occupant,) = read_occupants(Bed.objects.all())[Bed.objects.get().pk]

    assert occupant.initials == "O. A."
