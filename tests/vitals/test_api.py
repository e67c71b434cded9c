"""A bed's vitals for dashboards: what is in the answer, what it costs and what is recorded."""

from collections.abc import Iterable

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from audit.models import AuditEvent
from epicops.kept import Kept
from sessions_app.models import User
from tests import factories
from vitals import api, grants, house
from vitals.house import RECHECKED
from vitals.models import Bed, Unit, Visit

pytestmark = pytest.mark.django_db

VITALS = "/hyperspace/api/beds/bed427/vitals"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that tests move, for what the process keeps."""
    times = [1000.0]
    for module, name, seconds in (
        (grants, "_grants", RECHECKED),
        (house, "_house", RECHECKED),
        (api, "_views", api.PAUSE),
    ):
        monkeypatch.setattr(module, name, Kept(seconds, clock=lambda: times[0]))
    monkeypatch.setattr(api, "now", lambda: times[0])
    return times


@pytest.fixture
def visit(clock: list[float]) -> Visit:
    visit = factories.admit(factories.bed())
    factories.observe(visit)
    return visit


@pytest.fixture
def amara(client: Client) -> Client:
    return factories.signed_in(client, factories.amara())


def test_it_answers_with_values_units_times_and_where_they_came_from(amara: Client, visit: Visit) -> None:
    answer = amara.get(VITALS).json()

    assert (answer["bed"], answer["encounter"], answer["source"]) == ("bed427", visit.pk, "database")
    assert answer["vitals"]["bp"]["value"] == "120/80"
    assert answer["vitals"]["bp"]["unit"] == "mm[Hg]"
    assert answer["vitals"]["hr"]["is_verified"]


def test_a_repeated_read_asks_postgresql_nothing(
    amara: Client, visit: Visit, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    amara.get(VITALS)

    with django_assert_num_queries(0):
        assert amara.get(VITALS).json()["source"] == "cache"


@pytest.mark.parametrize(
    ("seconds", "views"), [((0, 30, 59, 118), 1), ((0, 61), 2), (range(0, 3600, 50), 1), (range(0, 3651, 50), 2)]
)
def test_reads_that_follow_each_other_are_one_view_and_once_an_hour_another(
    amara: Client, visit: Visit, clock: list[float], seconds: Iterable[int], views: int
) -> None:
    for second in seconds:
        clock[0] = 1000.0 + second
        amara.get(VITALS)

    events = AuditEvent.objects.filter(code="bed.view")
    assert [(event.actor, event.patient_id) for event in events] == [("amara", visit.patient_id)] * views


def test_a_view_from_another_address_is_another_view(amara: Client, visit: Visit) -> None:
    amara.get(VITALS)
    amara.get(VITALS, REMOTE_ADDR="192.0.2.7")

    assert set(AuditEvent.objects.filter(code="bed.view").values_list("source_ip", flat=True)) == {
        "127.0.0.1",
        "192.0.2.7",
    }


def test_each_request_is_recorded_where_that_is_wanted(amara: Client, visit: Visit, settings: Settings) -> None:
    settings.EPICOPS_VIEW_REPEATED = 0

    amara.get(VITALS)
    amara.get(VITALS)

    assert AuditEvent.objects.filter(code="bed.view").count() == 2


def test_another_patient_is_another_view_without_the_vitals_of_the_first(
    amara: Client, visit: Visit, clock: list[float]
) -> None:
    amara.get(VITALS)
    factories.discharge(visit)
    newcomer = factories.admit(Bed.objects.get(), "Newman")
    clock[0] += RECHECKED

    answer = amara.get(VITALS).json()

    assert (answer["encounter"], answer["vitals"]) == (newcomer.pk, {})
    assert AuditEvent.objects.filter(code="bed.view", patient_id=newcomer.patient_id).exists()


@pytest.mark.parametrize("change", ["ward", "account"])
def test_what_somebody_may_no_longer_see_is_closed_within_seconds(
    amara: Client, visit: Visit, clock: list[float], change: str
) -> None:
    assert amara.get(VITALS).status_code == 200
    if change == "ward":
        Unit.objects.get().staff.clear()
    else:
        User.objects.update(is_active=False)
    clock[0] += RECHECKED

    assert amara.get(VITALS).status_code == 404


def test_an_unknown_bed_is_not_found(amara: Client, visit: Visit) -> None:
    assert amara.get("/hyperspace/api/beds/bed999/vitals").status_code == 404


def test_a_free_bed_has_no_vitals(amara: Client, clock: list[float]) -> None:
    factories.bed()

    assert amara.get(VITALS).json()["vitals"] == {}
