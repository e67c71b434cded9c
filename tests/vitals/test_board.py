"""A ward in order of urgency, what its header counts, how a course is drawn, and how times are written."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from tests import factories
from vitals.board import Board, read_board
from vitals.house import read_ward
from vitals.models import Unit, VisitPlan
from vitals.templatetags.hyperspace import age, bed_name, due
from vitals.trend import BUCKETS, HISTORY_ROWS, read_history, read_series

HIGH = factories.WHOLE | {"rr": 26, "spo2": 90, "hr": 128}


def board(at: datetime | None = None, *, is_by_bed: bool = False) -> Board:
    return read_board(read_ward(Unit.objects.get(code="A")), at or timezone.now(), is_by_bed=is_by_bed)


def order(shown: Board) -> list[str]:
    return [row.bed.key for row in shown.rows]


@pytest.mark.django_db
def test_the_most_urgent_come_first_and_free_beds_last() -> None:
    factories.bed("bed1")
    factories.observe(factories.admit(factories.bed("bed2")), status="F", **factories.WHOLE)
    factories.admit(factories.bed("bed3"))
    factories.observe(factories.admit(factories.bed("bed4")), status="F", **HIGH)
    factories.observe(factories.admit(factories.bed("bed5")), minutes_ago=7, status="F", **HIGH)  # and overdue

    assert order(board()) == ["bed5", "bed4", "bed2", "bed3", "bed1"]
    assert order(board(is_by_bed=True)) == ["bed1", "bed2", "bed3", "bed4", "bed5"]


@pytest.mark.django_db
def test_the_header_counts_what_needs_somebody() -> None:
    factories.bed("bed1")
    factories.observe(factories.admit(factories.bed("bed2")), minutes_ago=7, status="F", **HIGH)
    leaving = factories.admit(factories.bed("bed3"))
    VisitPlan.objects.create(visit=leaving, expected_discharge_at=timezone.now(), stated_at=timezone.now())

    assert board().counts == {
        "Occupied": 2,
        "Free": 1,
        "NEWS2 7 or more": 1,
        "Observations overdue": 1,
        "Stale readings": 1,
        "Unassigned": 2,
        "Expected to leave today": 1,
    }


def test_when_a_set_is_due() -> None:
    now = timezone.now()

    assert due(now + timedelta(minutes=25), now) == "in 25 min"
    assert due(now - timedelta(hours=2), now) == "overdue 2 h"


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h"), (86_400, "1 d")]
)
def test_age_of_a_reading(seconds: int, text: str) -> None:
    now = timezone.now()

    assert age(now - timedelta(seconds=seconds), now) == text


@pytest.mark.django_db
def test_a_bed_is_called_what_its_sign_says() -> None:
    bed = factories.bed()
    assert bed_name(bed) == "427"

    bed.label = "B"
    assert bed_name(bed) == "427-B"

    bed.room = bed.label = ""
    assert bed_name(bed) == "bed427"


@pytest.mark.django_db
def test_a_long_course_stays_small() -> None:
    visit = factories.admit(factories.bed())
    for minutes in range(0, 600, 3):
        factories.observe(visit, minutes_ago=minutes)

    history = read_history(visit.patient_id, timezone.now())

    assert history is not None
    assert len(history.rows) == HISTORY_ROWS
    assert all(len(line.split()) <= BUCKETS + 1 for trend in history.trends for line in trend.lines)


@pytest.mark.django_db
def test_the_hour_that_the_clock_goes_back_is_drawn_twice(settings: Settings) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    visit, now = factories.admit(factories.bed()), timezone.now()
    first = datetime(2025, 10, 26, 0, 30, 30, tzinfo=UTC)  # 2:30, and an hour later again
    for at, rate in ((first, 60), (first + timedelta(hours=1), 120)):
        factories.observe(visit, minutes_ago=(now - at).total_seconds() / 60, hr=rate)

    series = read_series(visit.patient_id, first + timedelta(hours=2))

    assert series["hr"] == [60, 120]
    assert series["at"] == [first.timestamp() - 30, first.timestamp() + 3570]


@pytest.mark.django_db
def test_a_weight_alone_is_no_history() -> None:
    visit = factories.admit(factories.bed())
    factories.observe(visit, weight=72.5)

    assert read_history(visit.patient_id, timezone.now()) is None
