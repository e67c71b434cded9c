"""Ages as wards write them, and how a course is drawn."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from tests import factories
from vitals.board import age_on
from vitals.templatetags.hyperspace import age, bed_name
from vitals.trend import BUCKETS, HISTORY_ROWS, read_history

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
