"""The comparison page: a run is timed, kept and shown with its plan; one at a time, and not for everybody."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connections
from django.test import Client

from audit.models import AuditEvent
from epicops.embedded.stack import Stack
from tests import factories
from vitals.admin_comparison import LOCK
from vitals.models import ComparisonRun

pytestmark = pytest.mark.django_db

PAGE = "/admin/vitals/comparisonrun/"


@pytest.fixture
def operator(client: Client) -> Client:
    user = factories.olu()
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_comparisonrun", "run_comparison")))
    client.force_login(user)
    return client


@pytest.fixture
def _a_patient() -> None:
    factories.observe(factories.admit(factories.bed()))


@pytest.mark.usefixtures("_a_patient")
@pytest.mark.parametrize("shape", ["bed-sql", "ward-turns", "day"])
def test_a_run_is_kept_with_its_times_verdict_and_plan(operator: Client, shape: str) -> None:
    shown = operator.post(f"{PAGE}run/", {"shape": shape, "samples": 2}, follow=True).content.decode()

    run = ComparisonRun.objects.get()
    assert run.verdict in shown
    assert "Execution Time" in run.plan
    assert shown.count("<rect") == 6
    assert len(run.postgresql) == len(run.cache) == 3
    assert AuditEvent.objects.filter(code="comparison.run").count() == 1


@pytest.mark.usefixtures("_a_patient")
@pytest.mark.parametrize("wrong", [{"shape": "nonsense", "samples": 2}, {"shape": "bed-sql", "samples": 100_000}, {}])
def test_what_cannot_be_measured_is_said(operator: Client, wrong: dict[str, str]) -> None:
    assert "errorlist" in operator.post(f"{PAGE}run/", wrong).content.decode()
    assert not ComparisonRun.objects.exists()


def test_an_empty_hospital_has_nothing_to_read(operator: Client) -> None:
    shown = operator.post(f"{PAGE}run/", {"shape": "bed-sql", "samples": 2}, follow=True).content.decode()

    assert "No bed is occupied" in shown


@pytest.mark.usefixtures("_a_patient")
@pytest.mark.parametrize("shape", ["bed-sql", "day"])
def test_a_cache_that_is_away_is_not_timed(operator: Client, stack: Stack, shape: str) -> None:
    stack.cache.kill()

    shown = operator.post(f"{PAGE}run/", {"shape": shape, "samples": 2}, follow=True).content.decode()

    assert "nothing was timed" in shown
    assert not ComparisonRun.objects.exists()


@pytest.mark.usefixtures("_a_patient")
def test_only_one_measures_at_a_time(operator: Client) -> None:
    with connections["sessions"].cursor() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        shown = operator.post(f"{PAGE}run/", {"shape": "bed-sql", "samples": 2}, follow=True).content.decode()
        other.execute("SELECT pg_advisory_unlock(%s)", [LOCK])

    assert "Somebody else is measuring" in shown


def test_looking_is_not_measuring(client: Client) -> None:
    user = factories.olu()
    user.user_permissions.set(Permission.objects.filter(codename="view_comparisonrun"))
    client.force_login(user)

    assert b"Measure</button>" not in client.get(PAGE).content
    assert client.post(f"{PAGE}run/", {"shape": "bed-sql", "samples": 2}).status_code == 403
