"""What was measured lately: lines to see a course by, and the figures behind them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db.models import Avg, DateTimeField, F, Func, Max, Min, QuerySet, Value
from django.db.models.functions import TruncMinute

from vitals.codes import VITALS
from vitals.documents import SHOWN
from vitals.models import Observation

WINDOW: Final = timedelta(hours=24)
BUCKETS: Final = 96  # points of a line: a quarter of an hour each over the whole window
LINES: Final = {vital: ("sbp", "dbp") if vital == "bp" else (vital,) for vital in SHOWN}
HISTORY_ROWS: Final = 48
WIDTH, HEIGHT, MARGIN = 240, 48, 4  # of a sparkline's viewBox
FLAT: Final = {"temp": Decimal(2)}  # the least range a line spans, so that a steady vital looks steady
FLAT_DEFAULT: Final = Decimal(20)


@dataclass(frozen=True, slots=True)
class Point:
    """The mean of one vital sign around one time, and its extremes there."""

    at: datetime
    mean: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Trend:
    """One vital sign's sparkline: the `points` attribute of each polyline, blood pressure has two."""

    vital: str
    label: str
    unit: str
    lines: tuple[str, ...]
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """What was measured at one time, as texts in the order of `SHOWN`; empty where nothing was."""

    at: datetime
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class History:
    """A patient's last 24 hours; `since` is the first reading in them."""

    since: datetime
    trends: tuple[Trend, ...]
    rows: tuple[HistoryRow, ...]


def read_history(patient_id: int, now: datetime) -> History | None:
    """Return the patient's last 24 hours, None when nothing was measured in them. Four queries."""
    observations = _of_the_day(patient_id, now)
    since = observations.aggregate(since=Min("observed_at"))["since"]
    if since is None:
        return None
    return History(since, _trends(observations, since, now), _rows(observations))


def read_series(patient_id: int, now: datetime) -> dict[str, list[float | None]]:
    """Return the last 24 hours by the minute: `at` (Unix seconds), and each vital's mean, None where it has none."""
    means: dict[datetime, dict[str, float]] = {}
    rows = (
        _of_the_day(patient_id, now).values_list("vital", TruncMinute("observed_at", tzinfo=UTC)).annotate(Avg("value"))
    )
    for vital, minute, mean in rows.order_by():
        means.setdefault(minute, {})[vital] = round(float(mean), 1)
    at = sorted(means)
    series = {name: [means[minute].get(name) for minute in at] for names in LINES.values() for name in names}
    return {"at": [minute.timestamp() for minute in at], **series}


def _of_the_day(patient_id: int, now: datetime) -> QuerySet[Observation]:
    """Return the last 24 hours of what is shown; a weight alone is no history."""
    shown = [name for names in LINES.values() for name in names]
    return Observation.objects.filter(
        patient=patient_id, vital__in=shown, observed_at__gt=now - WINDOW, observed_at__lte=now
    )


def _trends(observations: QuerySet[Observation], since: datetime, now: datetime) -> tuple[Trend, ...]:
    width = max((now - since) / BUCKETS, timedelta(seconds=1))
    bucket = Func(Value(width), F("observed_at"), Value(since), function="date_bin", output_field=DateTimeField())
    points: dict[str, list[Point]] = {}
    found = observations.annotate(at=bucket).values_list("vital", "at")
    for vital, *point in found.annotate(Avg("value"), Min("value"), Max("value")).order_by("at"):
        points.setdefault(vital, []).append(Point(*point))
    return tuple(
        _trend(vital, lines, since, now)
        for vital, names in LINES.items()
        if (lines := [points[name] for name in names if name in points])
    )


def _trend(vital: str, lines: list[list[Point]], since: datetime, now: datetime) -> Trend:
    low = min(point.low for line in lines for point in line)
    high = max(point.high for line in lines for point in line)
    spread = max(high - low, FLAT.get(vital, FLAT_DEFAULT))
    top = (high + low + spread) / 2
    seconds = max((now - since).total_seconds(), 1)

    def place(point: Point) -> str:
        x = MARGIN + (WIDTH - 2 * MARGIN) * (point.at - since).total_seconds() / seconds
        y = MARGIN + (HEIGHT - 2 * MARGIN) * float((top - point.mean) / spread)
        return f"{x:.1f},{y:.1f}"

    unit = VITALS[LINES[vital][0]].unit
    drawn = tuple(" ".join(map(place, line)) for line in lines)
    return Trend(vital, SHOWN[vital], unit, drawn, number(vital, low), number(vital, high))


def _rows(observations: QuerySet[Observation]) -> tuple[HistoryRow, ...]:
    times = list(observations.order_by("-observed_at").values_list("observed_at", flat=True).distinct()[:HISTORY_ROWS])
    values: dict[datetime, dict[str, str]] = {at: {} for at in times}
    found = observations.filter(observed_at__in=times).order_by("sub_id")
    for at, vital, value in found.values_list("observed_at", "vital", "value"):
        values[at][vital] = number(vital, value)
    return tuple(HistoryRow(at, tuple(_texts(values[at]))) for at in times)


def _texts(values: dict[str, Any]) -> Iterable[str]:
    for names in LINES.values():
        found = [values.get(name, "-") for name in names]
        yield "/".join(found) if set(found) != {"-"} else ""


def number(vital: str, value: Decimal) -> str:
    """Return 70 for 70.00, but a temperature always as thermometers show it: 37.0."""
    return f"{value:.1f}" if vital == "temp" else f"{value.normalize():f}"
