"""The last twelve hours of the patients in beds, by half-hours: their heart rate, and NEWS2 where a set was complete.

Each process keeps what it read for a minute: every poll of a board needs it, and it changes slowly.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, NamedTuple

from django.db import connection

from epicops.bulk import columns_of
from epicops.clock import now as clock
from vitals.models import OxygenTarget
from vitals.news2 import AIR, PARAMETERS, WINDOW, Risk, Score, assessed

TICK: Final = 1800  # seconds
TICKS: Final = 24
HELD_SECONDS: Final = 60.0  # and half as long for some, so that the beds of a ward are not all read at once
NEEDED: Final = ("hr", "rr", "spo2", "sbp", "temp", "o2", "fio2", "acvpu")
WIDTH, HEIGHT, MARGIN = 96, 24, 2  # of the sparkline's viewBox
LEAST_RANGE: Final = 20  # beats a minute that the line spans at least, so that a steady heart looks steady


Readings = dict[str, tuple[datetime, Decimal]]  # time and value by vital
Moment = tuple[int, int]  # a patient's id and the number of a half-hour


class Whose(NamedTuple):
    """A patient in a bed, and the scale that NEWS2 takes for their SpO2."""

    bed_id: int
    visit_id: int
    patient_id: int
    scale: OxygenTarget.Scale


class Scored(NamedTuple):
    """What boards show of a complete set's score; `at` is its newest reading's time, `points` are by parameter."""

    at: datetime
    total: int
    risk: Risk
    next_due: timedelta | None
    points: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, at: datetime, score: Score) -> "Scored":
        return cls(at, score.total, score.risk, score.next_due, tuple(score.points.items()))


@dataclass(frozen=True)
class Course:
    """One patient's half-hours, the oldest first. `pulse` is None where nothing was measured."""

    scores: tuple[Scored, ...] = field(default=(), repr=False)
    pulse: tuple[int | None, ...] = ()

    @property
    def last(self) -> Scored | None:
        return self.scores[-1] if self.scores else None

    def before(self, at: datetime) -> Scored | None:
        """Return the last complete set that was over when the set at `at` began."""
        return next((scored for scored in reversed(self.scores) if scored.at <= at - WINDOW), None)

    @cached_property
    def extremes(self) -> tuple[int, int] | None:
        """Return the lowest and highest heart rate, None without any."""
        known = [rate for rate in self.pulse if rate is not None]
        return (min(known), max(known)) if known else None

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """Return the `points` of the sparkline's polylines: one for each run of half-hours without a gap."""
        if self.extremes is None:
            return ()
        low, high = self.extremes
        spread = max(high - low, LEAST_RANGE)
        top = (high + low + spread) / 2
        runs: list[list[str]] = [[]]
        for number, rate in enumerate(self.pulse):
            if rate is None:
                runs.append([])
                continue
            x = MARGIN + (WIDTH - 2 * MARGIN) * number / (TICKS - 1)
            y = MARGIN + (HEIGHT - 2 * MARGIN) * (top - rate) / spread
            runs[-1].append(f"{x:.1f},{y:.1f}")
        return tuple(" ".join(run) if len(run) > 1 else f"{run[0]} {run[0]}" for run in runs if run)


UNKNOWN: Final = Course()
_held: dict[int, tuple[Whose, int, float, Course]] = {}  # by bed: whose, at which tick, until when


def read_courses(wanted: Iterable[Whose], now: datetime) -> dict[int, Course]:
    """Return each patient's course by the bed's id; one query for those this process does not hold."""
    tick = int(now.timestamp()) // TICK
    found: dict[int, Course] = {}
    missing: list[Whose] = []
    for whose in wanted:
        held = _held.get(whose.bed_id)
        if held and held[:2] == (whose, tick) and clock() < held[2]:
            found[whose.bed_id] = held[3]
        else:
            missing.append(whose)
    for whose, course in _load(missing, tick).items():
        _held[whose.bed_id] = (whose, tick, clock() + HELD_SECONDS * random.uniform(0.5, 1), course)  # noqa: S311
        found[whose.bed_id] = course
    return found


def held_course(whose: Whose) -> Course:
    """Return what this process read last of the patient, however long ago; UNKNOWN if it never did."""
    held = _held.get(whose.bed_id)
    return held[3] if held and held[0] == whose else UNKNOWN


def _load(wanted: Sequence[Whose], tick: int) -> dict[Whose, Course]:
    if not wanted:
        return {}
    first = (tick - TICKS + 1) * TICK
    found = _read(HALF_HOURS, [list({whose.patient_id for whose in wanted}), first, TICK, TICKS, list(NEEDED)])
    before = [(*key, at) for key, readings in found.items() if (at := _whole_until(readings))]
    whole = _read(MOMENTS, [*columns_of(before, 3), list(NEEDED)]) if before else {}
    return {whose: _course(whose, found, found | whole, first) for whose in wanted}


def _read(statement: str, parameters: Sequence[Any]) -> dict[Moment, Readings]:
    found: dict[Moment, Readings] = {}
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        for patient_id, number, vital, at, value in cursor.fetchall():
            found.setdefault((patient_id, number), {})[vital] = (at, value)
    return found


def _whole_until(readings: Readings) -> datetime | None:
    """Return until when a set was whole of which a part is too old by the tick: monitors report on beside it."""
    oxygen_at = max((readings[name][0] for name in AIR if name in readings), default=None)
    times = [readings[name][0] for name in NEEDED if name in readings and name not in AIR]
    if oxygen_at is None or len(times) < len(PARAMETERS) - 1:
        return None
    oldest = min(*times, oxygen_at)
    return oldest + WINDOW if max(*times, oxygen_at) > oldest + WINDOW else None


def _course(whose: Whose, found: Mapping[Moment, Readings], sets: Mapping[Moment, Readings], first: int) -> Course:
    """Return the course: pulses as they were at the ticks `found`, scores of the `sets` before these."""
    scores: dict[datetime, Scored] = {}
    pulse: list[int | None] = []
    for number in range(TICKS):
        moment, tick = (whose.patient_id, number), datetime.fromtimestamp(first + number * TICK, UTC)
        at, rate = found.get(moment, {}).get("hr", (None, None))
        pulse.append(int(rate) if rate is not None and at and at > tick - timedelta(seconds=TICK) else None)
        newest = assessed(sets.get(moment, {}), whose.scale)
        if isinstance(newest.result, Score) and newest.observed_at:
            scores[newest.observed_at] = Scored.of(newest.observed_at, newest.result)
    return Course(tuple(scores.values()), tuple(pulse))


# One look into the index for each vital, however often a monitor reports. An hour back, not half of one: a set that
# lies across a tick is whole at the next.
LATEST: Final = """
CROSS JOIN unnest(%s::text[]) AS kept(vital)
CROSS JOIN LATERAL (
  SELECT observed_at, value FROM vitals_observation
  WHERE patient_id = patient.id AND vital = kept.vital AND is_shown
    AND observed_at <= tick.at AND observed_at > tick.at - interval '1 hour'
  ORDER BY observed_at DESC, sub_id DESC LIMIT 1) o
"""
HALF_HOURS: Final = f"""
SELECT patient.id, tick.number, kept.vital, o.observed_at, o.value
FROM unnest(%s::bigint[]) AS patient(id)
CROSS JOIN (
  SELECT number, to_timestamp(%s + number * %s) AS at FROM generate_series(0, %s - 1) AS number) tick
{LATEST}"""  # noqa: S608  our own constant
MOMENTS: Final = f"""
SELECT patient.id, tick.number, kept.vital, o.observed_at, o.value
FROM unnest(%s::bigint[], %s::int[], %s::timestamptz[]) AS tick(patient_id, number, at)
CROSS JOIN LATERAL (SELECT tick.patient_id) AS patient(id)
{LATEST}"""  # noqa: S608  our own constant
