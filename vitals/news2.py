"""NEWS2, the early warning score: Royal College of Physicians, National Early Warning Score (NEWS) 2, 2017.

For patients of 16 and over who are not pregnant. A set that lacks one of the seven parameters has no score.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from vitals.codes import KEPT
from vitals.models import OxygenTarget

ADULT_YEARS: Final = 16
WINDOW: Final = timedelta(minutes=30)  # readings of one set lie this close to its newest
AIR: Final = {"o2": 0, "fio2": 21}  # flow (L/min) and fraction (%) of who breathes nothing else

# Chart 1: (highest value of the band, points); values above the last band have the points at the end.
Bands = tuple[tuple[tuple[Decimal, int], ...], int]


def _bands(above: int, *bands: tuple[str, int]) -> Bands:
    return tuple((Decimal(highest), points) for highest, points in bands), above


RESPIRATION: Final = _bands(3, ("8", 3), ("11", 1), ("20", 0), ("24", 2))
SPO2_SCALE_1: Final = _bands(0, ("91", 3), ("93", 2), ("95", 1))
SPO2_SCALE_2_ON_AIR: Final = _bands(0, ("83", 3), ("85", 2), ("87", 1))
SPO2_SCALE_2_ON_OXYGEN: Final = _bands(3, ("83", 3), ("85", 2), ("87", 1), ("92", 0), ("94", 1), ("96", 2))
SYSTOLIC: Final = _bands(3, ("90", 3), ("100", 2), ("110", 1), ("219", 0))
PULSE: Final = _bands(3, ("40", 3), ("50", 1), ("90", 0), ("110", 1), ("130", 2))
TEMPERATURE: Final = _bands(2, ("35.0", 3), ("36.0", 1), ("38.0", 0), ("39.0", 1))
ON_OXYGEN: Final = 2
NOT_ALERT: Final = 3

PARAMETERS: Final = ("rr", "spo2", "oxygen", "sbp", "hr", "acvpu", "temp")


class Risk(StrEnum):
    """Chart 2."""

    LOW = "low"
    LOW_MEDIUM = "low-medium"  # 3 points in one parameter
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Score:
    """A complete set's score; `points` by parameter."""

    total: int
    points: Mapping[str, int]
    risk: Risk
    next_due: timedelta | None  # Chart 4; None: continuous monitoring


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A set without a score; `missing` are names of PARAMETERS."""

    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assessment:
    """A patient's newest set: its score or why it has none, and its time."""

    result: Score | Incomplete
    observed_at: datetime | None


def score(values: Mapping[str, Decimal], *, scale: OxygenTarget.Scale = OxygenTarget.Scale.ONE) -> Score | Incomplete:
    """Score one set of values in the units of `vitals.codes`, by the names hr, rr, spo2, sbp, temp, acvpu, o2, fio2.

    Oxygen is o2 (L/min, 0 on air) or fio2 (%, 21 on air); never assumed. Values are rounded half up once, before.
    """
    kept = {name: value.quantize(KEPT[name].places, "ROUND_HALF_UP") for name, value in values.items() if name in KEPT}
    on_oxygen = _on_oxygen(kept)
    missing = tuple(name for name in PARAMETERS if (on_oxygen is None if name == "oxygen" else name not in kept))
    if missing or on_oxygen is None:
        return Incomplete(missing)
    points = {
        "rr": _points(RESPIRATION, kept["rr"]),
        "spo2": _points(_saturation(scale, on_oxygen=on_oxygen), kept["spo2"]),
        "oxygen": ON_OXYGEN if on_oxygen else 0,
        "sbp": _points(SYSTOLIC, kept["sbp"]),
        "hr": _points(PULSE, kept["hr"]),
        "acvpu": NOT_ALERT if kept["acvpu"] else 0,
        "temp": _points(TEMPERATURE, kept["temp"]),
    }
    return _score(points)


def _score(points: Mapping[str, int]) -> Score:
    total, has_red = sum(points.values()), max(points.values()) == 3  # noqa: PLR2004  "3 in a single parameter"
    if total >= 7:  # noqa: PLR2004  Charts 2 and 4
        return Score(total, points, Risk.HIGH, None)
    if total >= 5:  # noqa: PLR2004
        return Score(total, points, Risk.MEDIUM, timedelta(hours=1))
    if has_red:
        return Score(total, points, Risk.LOW_MEDIUM, timedelta(hours=1))
    return Score(total, points, Risk.LOW, timedelta(hours=6) if total else timedelta(hours=12))


def _points(bands: Bands, value: Decimal) -> int:
    limits, above = bands
    return next((points for highest, points in limits if value <= highest), above)


def _saturation(scale: OxygenTarget.Scale, *, on_oxygen: bool) -> Bands:
    if scale == OxygenTarget.Scale.ONE:
        return SPO2_SCALE_1
    return SPO2_SCALE_2_ON_OXYGEN if on_oxygen else SPO2_SCALE_2_ON_AIR


def _on_oxygen(values: Mapping[str, Decimal]) -> bool | None:
    """Whether the patient breathes more than air, by any statement; None where nobody said."""
    stated = [values[name] > air for name, air in AIR.items() if name in values]
    return any(stated) if stated else None


def why_not(birth_date: date | None, day: date) -> str:
    """Say why the score is not made for this age; empty where it is."""
    if birth_date is None or birth_date > day:
        return "age unknown"
    years = day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))
    return "" if years >= ADULT_YEARS else f"under {ADULT_YEARS}"


def assessed(readings: Mapping[str, tuple[datetime, Decimal]], scale: OxygenTarget.Scale) -> Assessment:
    """Assess the latest of each vital, given with its time: those within WINDOW of the newest are one set.

    Flow and FiO2 are two ways to say one thing: the newer statement holds.
    """
    newest = max((at for at, _ in readings.values()), default=None)
    oxygen_at = max((readings[name][0] for name in AIR if name in readings), default=None)
    together = {
        name: value
        for name, (at, value) in readings.items()
        if newest and newest - at <= WINDOW and (name not in AIR or at == oxygen_at)
    }
    return Assessment(score(together, scale=scale), newest)
