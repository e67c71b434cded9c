"""HL7 times become moments, or nothing."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from interconnect.hl7.timestamps import Precision, Timestamp, parse, parse_with_precision


@pytest.fixture(autouse=True)
def _boston(settings: Settings) -> None:
    settings.TIME_ZONE = "America/New_York"


def utc(*units: int) -> datetime:
    return datetime(*units, tzinfo=UTC)  # type: ignore[arg-type, misc]  # mypy reads the last unit as the time zone


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024", utc(2024, 1, 1, 5)),
        ("202407", utc(2024, 7, 1, 4)),
        ("20240115", utc(2024, 1, 15, 5)),
        ("2024011510", utc(2024, 1, 15, 15)),
        ("202401151030", utc(2024, 1, 15, 15, 30)),
        ("20240115103059", utc(2024, 1, 15, 15, 30, 59)),
        ("20240115103059.1234", utc(2024, 1, 15, 15, 30, 59, 123400)),
        ("20240115103059.123456789", utc(2024, 1, 15, 15, 30, 59, 123456)),
        ("20240115103000+0500", utc(2024, 1, 15, 5, 30)),
        ("20240115103000-0030", utc(2024, 1, 15, 11)),
        ("20240115103000.5-0500", utc(2024, 1, 15, 15, 30, 0, 500000)),
        ("2024-0500", utc(2024, 1, 1, 5)),
        ("20240115240000", utc(2024, 1, 16, 5)),
        ("202401152400-0500", utc(2024, 1, 16, 5)),
        ("20161231235960+0000", utc(2017, 1, 1)),
        ("20240115103060", utc(2024, 1, 15, 15, 31)),
        ("19000101000000", utc(1900, 1, 1, 5)),
        ("99991231", utc(9999, 12, 31, 5)),
    ],
)
def test_a_time_is_one_moment(text: str, moment: datetime) -> None:
    assert parse(text) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20241103013000", utc(2024, 11, 3, 5, 30)),  # happens twice: the first
        ("20240310023000", utc(2024, 3, 10, 7, 30)),  # does not happen: as if before the change
    ],
)
def test_the_hour_of_a_clock_change_is_read_as_documented(text: str, moment: datetime) -> None:
    assert parse(text).astimezone(UTC) == moment


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("2024", Precision.YEAR),
        ("202401", Precision.MONTH),
        ("20240115", Precision.DAY),
        ("2024011510+0000", Precision.HOUR),
        ("202401151030", Precision.MINUTE),
        ("20240115103000", Precision.SECOND),
        ("20240115103000.0", Precision.FRACTION),
    ],
)
def test_the_precision_is_kept(text: str, precision: Precision) -> None:
    assert parse_with_precision(text) == Timestamp(parse(text), precision)


@pytest.mark.parametrize(
    "text",
    [
        "",
        '""',
        "0000",
        "00000000",
        "00000000000000",
        "20240230",
        "20241301",
        "20240115250000",
        "20240115240001",
        "20240115106000",
        "20240115103061",
        "20240115103000.",
        "2024011510300",
        "202401151030.5",
        "20240115 1030",
        "2024-01-15 10:30",
        "2026-01-15T14:30:00",
        "20240115103000Z",
        "20240115103000+05",
        "20240115103000+0560",
        "20240115103000+1500",
        "20240115103000 ",
        "20240115103000\n",
        "20240115103000^S",
        "+0240115103000",
        "2024_115103000",
        "20240115\u0661\u0660\u0663\u0660\u0660\u0660",
        "99991231235959",
        "0001+1400",
        "Aug 15, 1942",
    ],
)
def test_anything_else_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError, match="not an HL7 time") as caught:
        parse(text)

    assert not text or text not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_time_that_is_no_moment_in_utc_is_refused(settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"

    with pytest.raises(ValueError, match="not an HL7 time"):
        parse("00010101000000")


@given(st.text(st.sampled_from("0123456789+-.20"), max_size=26))
def test_what_is_read_can_be_stored(text: str) -> None:
    try:
        moment = parse(text)
    except ValueError:
        return
    assert 1 <= moment.astimezone(UTC).year <= 9999
