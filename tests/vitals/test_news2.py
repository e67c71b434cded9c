"""Every boundary of the Royal College of Physicians' Chart 1, and the rules around it."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.utils.timezone import now

from tests import factories
from vitals.models import Bed, OxygenTarget
from vitals.news2 import Incomplete, Risk, Score, assessed, score, why_not
from vitals.occupants import read_occupants
from vitals.rows import read_rows

WELL = {"rr": "16", "spo2": "97", "o2": "0", "sbp": "120", "hr": "70", "acvpu": "0", "temp": "37.0"}
ONE, TWO = OxygenTarget.Scale


def scored(scale: OxygenTarget.Scale = ONE, **values: str) -> Score:
    result = score({name: Decimal(value) for name, value in (WELL | values).items()}, scale=scale)
    assert isinstance(result, Score)
    return result


def test_a_well_patient_has_none() -> None:
    assert (scored().total, scored().risk, scored().next_due) == (0, Risk.LOW, timedelta(hours=12))


@pytest.mark.parametrize(
    ("vital", "bands"),
    [
        ("rr", "0:3 8:3 9:1 11:1 12:0 20:0 21:2 24:2 25:3 60:3"),
        ("spo2", "50:3 91:3 92:2 93:2 94:1 95:1 96:0 100:0"),
        ("sbp", "40:3 90:3 91:2 100:2 101:1 110:1 111:0 219:0 220:3 300:3"),
        ("hr", "20:3 40:3 41:1 50:1 51:0 90:0 91:1 110:1 111:2 130:2 131:3 200:3"),
        ("acvpu", "0:0 1:3 2:3 3:3 4:3"),
        ("temp", "33.0:3 35.0:3 35.1:1 36.0:1 36.1:0 38.0:0 38.1:1 39.0:1 39.1:2 41.0:2"),
    ],
)
def test_every_boundary_of_chart_1(vital: str, bands: str) -> None:
    for band in bands.split():
        value, points = band.split(":")
        assert scored(ONE, **{vital: value}).points[vital] == int(points), band


@pytest.mark.parametrize(
    ("oxygen", "bands"),
    [
        ("0", "83:3 84:2 85:2 86:1 87:1 88:0 92:0 93:0 94:0 95:0 96:0 97:0 100:0"),
        ("2", "83:3 84:2 85:2 86:1 87:1 88:0 92:0 93:1 94:1 95:2 96:2 97:3 100:3"),
    ],
)
def test_every_boundary_of_scale_2_on_air_and_on_oxygen(oxygen: str, bands: str) -> None:
    for band in bands.split():
        value, points = band.split(":")
        assert scored(TWO, spo2=value, o2=oxygen).points["spo2"] == int(points), band


def test_oxygen_is_two_points_however_it_is_stated() -> None:
    without = {name: Decimal(value) for name, value in WELL.items() if name != "o2"}

    assert scored(o2="0.5").total == 2
    assert score(without | {"fio2": Decimal(21)}) == scored()
    assert score(without | {"fio2": Decimal(28)}) == scored(o2="2") == scored(o2="0", fio2="28")


def test_rounding_is_half_up_and_before_scoring() -> None:
    assert scored(temp="35.05").points["temp"] == 1
    assert scored(temp="35.04").points["temp"] == 3
    assert scored(hr="90.5").points["hr"] == 1


def test_three_in_one_parameter_is_low_medium_and_hourly() -> None:
    result = scored(acvpu="1")

    assert (result.total, result.risk, result.next_due) == (3, Risk.LOW_MEDIUM, timedelta(hours=1))


@pytest.mark.parametrize(
    ("values", "total", "risk", "hours"),
    [
        ({"hr": "91"}, 1, Risk.LOW, 6),
        ({"hr": "111", "sbp": "100"}, 4, Risk.LOW, 6),
        ({"hr": "111", "sbp": "100", "temp": "38.1"}, 5, Risk.MEDIUM, 1),
        ({"hr": "111", "sbp": "100", "rr": "21"}, 6, Risk.MEDIUM, 1),
        ({"hr": "111", "sbp": "100", "rr": "21", "temp": "38.1"}, 7, Risk.HIGH, None),
    ],
)
def test_risk_and_the_next_observation(values: dict[str, str], total: int, risk: Risk, hours: int | None) -> None:
    result = scored(ONE, **values)

    assert (result.total, result.risk) == (total, risk)
    assert result.next_due == (None if hours is None else timedelta(hours=hours))


def test_the_worst_there_can_be_is_twenty() -> None:
    worst = scored(rr="30", spo2="80", o2="15", sbp="60", hr="150", acvpu="4", temp="34")

    assert worst.total == 20


@pytest.mark.parametrize("missing", [*WELL])
def test_a_set_that_lacks_one_has_no_score(missing: str) -> None:
    values = {name: Decimal(value) for name, value in WELL.items() if name != missing}

    assert score(values) == Incomplete(("oxygen" if missing == "o2" else missing,))


def test_heart_rate_and_pressure_alone_say_what_is_missing() -> None:
    result = score({"hr": Decimal(78), "sbp": Decimal(120), "dbp": Decimal(80)})

    assert result == Incomplete(("rr", "spo2", "oxygen", "acvpu", "temp"))


def test_it_is_made_for_sixteen_and_over() -> None:
    assert why_not(date(2010, 3, 2), date(2026, 3, 2)) == ""
    assert why_not(date(2010, 3, 3), date(2026, 3, 2)) == "under 16"
    assert why_not(None, date(2026, 3, 2)) == why_not(date(2062, 3, 2), date(2026, 3, 2)) == "age unknown"


def together(minutes_ago: float, **values: str) -> dict[str, tuple[datetime, Decimal]]:
    """One set of readings, as old as that."""
    at = now() - timedelta(minutes=minutes_ago)
    return {vital: (at, Decimal(value)) for vital, value in values.items()}


def test_a_set_says_when_the_next_is_due() -> None:
    found = assessed(together(5, **WELL), ONE).result

    assert isinstance(found, Score)
    assert (found.total, found.next_due) == (0, timedelta(hours=12))


def test_a_reading_of_an_hour_ago_does_not_complete_a_set() -> None:
    assessment = assessed(together(60, **WELL) | together(5, hr="80"), ONE)

    assert assessment.result == Incomplete(("rr", "spo2", "oxygen", "sbp", "acvpu", "temp"))


@pytest.mark.parametrize(("older", "newer", "points"), [("o2", "fio2", 2), ("fio2", "o2", 0)])
def test_of_flow_and_fio2_the_newer_says_what_is_breathed(older: str, newer: str, points: int) -> None:
    oxygen = {"o2": "0", "fio2": "40"}
    readings = together(20, **{older: oxygen[older]}) | together(5, **{newer: oxygen[newer]})

    found = assessed(together(5, **{name: value for name, value in WELL.items() if name != "o2"}) | readings, ONE)

    assert isinstance(found.result, Score)
    assert found.result.points["oxygen"] == points


@pytest.mark.django_db
def test_scale_2_is_what_a_clinician_decided_last() -> None:
    visit, amara = factories.admit(factories.bed()), factories.amara()
    factories.observe(
        visit, minutes_ago=1, status="F", **{name: float(value) for name, value in (WELL | {"spo2": "90"}).items()}
    )
    points = {}
    for scale in (ONE, TWO):
        OxygenTarget.objects.create(patient=visit.patient, scale=scale, decided_by=amara, decided_at=now())
        cache.clear()
        bed = Bed.objects.get()
        (row,) = read_rows([bed], read_occupants([bed]), now())
        points[scale] = row.warning.total

    assert points == {ONE: 3, TWO: 0}
