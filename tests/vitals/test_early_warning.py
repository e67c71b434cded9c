"""NEWS2 on boards: the score of the newest set, or what it lacks; where it is going; and when the next is due."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests import factories
from vitals import course
from vitals.fragments import new_row_html
from vitals.models import Bed, OxygenTarget, Visit
from vitals.occupants import read_occupants
from vitals.rows import Row, read_rows

pytestmark = pytest.mark.django_db

ILL = factories.WHOLE | {"rr": 22, "hr": 115}  # 4


@pytest.fixture
def visit() -> Visit:
    return factories.admit(factories.bed(), at=timezone.now() - timedelta(hours=20))


def row() -> Row:
    beds = list(Bed.objects.all())
    (found,) = read_rows(beds, read_occupants(beds), timezone.now())
    return found


def test_a_complete_set_has_its_score_and_the_change_since_the_one_before(visit: Visit) -> None:
    factories.observe(visit, minutes_ago=130, status="F", **factories.WHOLE)
    factories.observe(visit, status="F", **ILL)

    warning = row().warning

    assert (warning.total, warning.risk, warning.change) == (4, "low", 4)
    assert warning.parts == ["respiratory rate 2", "heart rate 2"]
    assert warning.due_at
    assert timedelta(hours=5) < warning.due_at - timezone.now() < timedelta(hours=6)


def test_an_incomplete_set_has_no_score_and_names_the_last_that_had(visit: Visit) -> None:
    factories.observe(visit, minutes_ago=130, status="F", **ILL)
    factories.observe(visit)

    warning = row().warning

    assert warning.total is None
    assert warning.missing == ("oxygen", "consciousness")
    assert warning.parts == []
    assert warning.scored
    assert warning.scored.total == 4


def test_a_set_of_an_earlier_stay_is_no_score_of_today_but_overdue(visit: Visit) -> None:
    factories.observe(visit, minutes_ago=9 * 24 * 60, status="F", **factories.WHOLE)

    found = row()

    assert (found.warning.total, found.warning.parts) == (None, [])
    assert found.warning.is_overdue(timezone.now())
    assert f"last 0 low at {timezone.localtime() - timedelta(days=9):%-d %b}" in new_row_html(found, timezone.now())


def test_a_score_is_outdated_while_nothing_else_changes(visit: Visit) -> None:
    factories.observe(visit, minutes_ago=11 * 60, status="F", **factories.WHOLE)
    beds = list(Bed.objects.all())

    totals = [
        read_rows(beds, read_occupants(beds), timezone.now() + timedelta(hours=later))[0].warning.total
        for later in (0, 2)
    ]

    assert totals == [0, None]


def test_nobody_measured_is_nobody_scored(visit: Visit) -> None:
    warning = row().warning

    assert (warning.total, warning.scored, warning.due_at) == (None, None, None)


def test_a_child_has_no_news2_and_the_board_says_why(visit: Visit) -> None:
    visit.patient.birth_date = timezone.localdate() - timedelta(days=900)
    visit.patient.save()
    factories.observe(visit, status="F", **ILL)

    assert "no NEWS2: under 16" in new_row_html(row(), timezone.now())


def test_the_scale_of_a_clinicians_decision_comes_with_the_cached_set(visit: Visit) -> None:
    OxygenTarget.objects.create(patient=visit.patient, scale=2, decided_by=factories.amara(), decided_at=timezone.now())
    factories.observe(visit, status="F", **(factories.WHOLE | {"spo2": 90}))

    assert [row().warning.total, row().warning.total] == [0, 0]  # from PostgreSQL, then from the cache


def test_a_set_that_was_whole_between_two_ticks_is_the_last_one(visit: Visit) -> None:
    tick = timezone.now().timestamp() // course.TICK * course.TICK

    def observe(minute: int, **values: float) -> None:
        factories.observe(visit, minutes_ago=(timezone.now().timestamp() - tick) / 60 - minute, status="F", **values)

    for minute in range(-60, 1):
        observe(minute, hr=140, rr=30, spo2=88)  # a monitor, which makes what a nurse charts old
    observe(-31, acvpu=0, o2=2)
    observe(-29, sbp=120, temp=37)

    whose = course.Whose(1, visit.pk, visit.patient_id, OxygenTarget.Scale.ONE)
    last = course.read_courses([whose], timezone.now())[1].last

    assert last
    assert last.total == 11
    assert tick - 150 < last.at.timestamp() < tick


def test_the_course_is_one_query_a_minute(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.observe(visit, minutes_ago=130, status="F", **ILL)
    clock = [1000.0]
    monkeypatch.setattr(course, "clock", lambda: clock[0])
    row()

    with CaptureQueriesContext(connection) as queries:
        first = row().course
    assert not any("generate_series" in query["sql"] for query in queries)
    clock[0] += 61
    with CaptureQueriesContext(connection) as queries:
        assert row().course == first
    assert any("generate_series" in query["sql"] for query in queries)


def test_the_heart_rate_of_twelve_hours_is_a_line_with_its_gaps(visit: Visit) -> None:
    for minutes in (20, 50, 80, 200, 230):
        factories.observe(visit, minutes_ago=minutes, hr=60 + minutes)

    found = row().course

    assert found.extremes in ((80, 290), (110, 290))  # the last half-hour has not ended
    assert len(found.lines) == 2
