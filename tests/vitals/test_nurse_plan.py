"""The charge nurse's page: who has whom, this shift and the next."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now
from django_redis import get_redis_connection
from pytest_django import DjangoAssertNumQueries, Settings

from audit.models import AuditEvent
from epicops import keys
from sessions_app.models import User
from tests import factories
from vitals.assignments import assign, current
from vitals.models import Assignment, Visit
from vitals.shifts import shift_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def carol() -> Client:
    """Charge nurse of ward A."""
    return factories.signed_in(Client(), factories.person("carol", User.Role.CHARGE_NURSE, ward="A"))


@pytest.fixture
def amara() -> User:
    return factories.amara()


@pytest.fixture
def visit() -> Visit:
    return factories.admit(factories.bed())


def plan(shift: str = "") -> str:
    return reverse("hyperspace:nurse-plan", args=[factories.unit("A").pk]) + f"?shift={shift}"


def nurses_at(at: datetime) -> list[tuple[int, int]]:
    return list(current(at).order_by("patient", "nurse").values_list("patient", "nurse"))


def end_of(shift: str = "") -> datetime:
    """The end of this shift or the next, which a form carries."""
    ends_at = shift_at(now()).to_at
    return shift_at(ends_at).to_at if shift else ends_at


def tick(
    client: Client,
    visit: Visit,
    *nurses: User,
    before: tuple[User, ...] = (),
    shift: str = "",
    until: datetime | None = None,
) -> int:
    field = f"patient_{visit.patient_id}"
    data = {field: [nurse.pk for nurse in nurses], f"initial-{field}": [nurse.pk for nurse in before]}
    return client.post(plan(shift), data | {"until": (until or end_of(shift)).isoformat()}).status_code


def test_the_page_shows_patients_nurses_and_who_has_nobody(carol: Client, amara: User, visit: Visit) -> None:
    content = carol.get(plan()).content.decode()

    assert "Okafor, Amaka" in content
    assert "amara" in content
    assert "<dt>Patients without a nurse</dt><dd>1</dd>" in content


def test_a_tick_holds_until_the_end_of_the_shift(carol: Client, amara: User, visit: Visit) -> None:
    ends_at = shift_at(now()).to_at

    assert tick(carol, visit, amara) == 302
    assert nurses_at(now()) == [(visit.patient_id, amara.pk)]
    assert nurses_at(ends_at) == []


def test_the_next_shift_is_planned_without_touching_this_one(carol: Client, amara: User, visit: Visit) -> None:
    coming = shift_at(shift_at(now()).to_at)
    tick(carol, visit, amara, shift="next")

    assert nurses_at(now()) == []
    assert nurses_at(coming.from_at) == [(visit.patient_id, amara.pk)]
    assert nurses_at(coming.to_at) == []


def test_a_plan_of_the_next_shift_is_of_that_shift_also_once_it_has_begun(
    carol: Client, amara: User, visit: Visit
) -> None:
    tick(carol, visit, amara, shift="next", until=end_of())  # opened before this shift began

    assert nurses_at(now()) == [(visit.patient_id, amara.pk)]
    assert nurses_at(end_of()) == []


def test_a_plan_of_a_shift_that_is_over_is_not_saved(carol: Client, amara: User, visit: Visit) -> None:
    tick(carol, visit, amara, until=shift_at(now()).from_at)

    assert "That shift is over: nothing was saved." in carol.get(plan()).content.decode()
    assert not Assignment.objects.exists()


def test_the_form_knows_its_shift(carol: Client, amara: User, visit: Visit) -> None:
    assert f'name="until" value="{end_of("next").isoformat()}"' in carol.get(plan("next")).content.decode()


def test_a_tick_taken_away_ends_the_assignment_and_keeps_the_row(carol: Client, amara: User, visit: Visit) -> None:
    tick(carol, visit, amara)
    tick(carol, visit, before=(amara,))

    assert nurses_at(now()) == []
    assert Assignment.objects.get().nurse == amara


def test_a_colleague_for_one_shift_ends_no_longer_assignment(carol: Client, amara: User, visit: Visit) -> None:
    assign([amara.pk], visit.patient_id, at=now())  # with an open end
    tick(carol, visit, amara, factories.person("nia", ward="A"), before=(amara,))

    assert len(nurses_at(now())) == 2
    assert nurses_at(end_of()) == [(visit.patient_id, amara.pk)]


def test_a_planned_assignment_taken_back_never_was(carol: Client, amara: User, visit: Visit) -> None:
    tick(carol, visit, amara, shift="next")
    tick(carol, visit, before=(amara,), shift="next")

    assert nurses_at(shift_at(now()).to_at) == []
    assert "<dt>Patients without a nurse</dt><dd>1</dd>" in carol.get(plan("next")).content.decode()


def test_what_somebody_else_changed_meanwhile_stays(carol: Client, amara: User, visit: Visit) -> None:
    other = factories.admit(factories.bed("bed428"))
    assign([amara.pk], other.patient_id, at=now())
    fields = {f"patient_{visit.patient_id}": [amara.pk], "until": end_of().isoformat()}  # the other's as before that

    carol.post(plan(), fields)

    assert nurses_at(now()) == [(visit.patient_id, amara.pk), (other.patient_id, amara.pk)]


@pytest.mark.django_db(transaction=True)
def test_other_systems_see_it_at_once(carol: Client, amara: User, visit: Visit) -> None:
    tick(carol, visit, amara)

    assert get_redis_connection("default").sismember(keys.patients_of_nurse(amara.pk), visit.patient_id)


def test_a_view_and_a_change_are_audited(carol: Client, amara: User, visit: Visit) -> None:
    carol.get(plan())
    tick(carol, visit, amara)

    seen, changed = AuditEvent.objects.filter(code__startswith="assignment.").order_by("pk")
    assert (seen.code, seen.detail) == ("assignment.view", {"patients": [visit.patient_id]})
    assert (changed.code, changed.patient_id, changed.detail["nurses"]) == (
        "assignment.plan",
        visit.patient_id,
        [amara.pk],
    )


@pytest.mark.parametrize(("role", "ward", "status"), [("charge_nurse", "B", 404), ("nurse", "A", 403)])
def test_only_the_wards_charge_nurse_plans(client: Client, visit: Visit, role: str, ward: str, status: int) -> None:
    person = factories.person("ben", role, ward=ward)
    factories.signed_in(client, person)

    assert client.get(plan()).status_code == tick(client, visit, person) == status
    assert not Assignment.objects.exists()


def test_a_nurse_of_elsewhere_cannot_be_ticked(carol: Client, visit: Visit) -> None:
    assert tick(carol, visit, factories.ben()) == 200
    assert not Assignment.objects.exists()


def test_a_full_ward_takes_as_many_queries_as_one_bed(
    carol: Client, amara: User, visit: Visit, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(10):
        factories.admit(factories.bed(f"bed{number}"))
    carol.get(plan())  # the first event of all begins an audit stream

    with django_assert_num_queries(9):
        carol.get(plan())


def test_a_shift_goes_by_the_facilitys_clock(settings: Settings) -> None:
    settings.TIME_ZONE = "Europe/Berlin"  # where the clock went forward in this night

    assert shift_at(datetime(2026, 3, 28, 23, tzinfo=UTC)) == (
        datetime(2026, 3, 28, 18, tzinfo=UTC),
        datetime(2026, 3, 29, 5, tzinfo=UTC),
    )


def test_one_shift_begins_as_the_other_ends() -> None:
    seven = datetime(2026, 3, 2, 7, tzinfo=UTC)

    assert shift_at(seven - timedelta(seconds=1)).to_at == shift_at(seven).from_at == seven
