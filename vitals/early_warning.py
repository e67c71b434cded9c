"""NEWS2 of a bed's patient as boards show it: the score, where it is going, and when the next set is due.

A set that is not complete has no score: then the last complete set is named with its time, and what is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from vitals.course import Course, Scored
from vitals.documents import BedVitals, Sign
from vitals.models import OxygenTarget
from vitals.news2 import Assessment, Risk, Score, assessed

HIGH: Final = 7  # Chart 2
CONTINUOUS: Final = timedelta(minutes=5)  # "continuous monitoring": a set older than this is overdue
OUTDATED_AFTER: Final = timedelta(hours=12)  # the longest time between two sets, Chart 4
NAMES: Final = {
    "rr": "respiratory rate",
    "spo2": "SpO2",
    "oxygen": "oxygen",
    "sbp": "blood pressure",
    "hr": "heart rate",
    "acvpu": "consciousness",
    "temp": "temperature",
}


@dataclass(frozen=True, slots=True)
class EarlyWarning:
    """What is known of a patient's NEWS2; `scored` is the newest complete set of twelve hours.

    `missing` says what the newest set lacks; empty when that is the one scored. One that is outdated, of an earlier
    visit perhaps, only says that the next is overdue. `not_made` says why this patient has none.
    """

    scored: Scored | None
    before: Scored | None
    missing: tuple[str, ...]
    is_outdated: bool = False
    not_made: str = ""

    @property
    def total(self) -> int | None:
        """The score of the newest set; None when that is not complete, or outdated."""
        return self.scored.total if self.scored and not self.missing and not self.is_outdated else None

    @property
    def risk(self) -> Risk | None:
        return self.scored.risk if self.scored else None

    @property
    def change(self) -> int | None:
        """Points since the complete set before."""
        return self.scored.total - self.before.total if self.scored and self.before else None

    @property
    def parts(self) -> list[str]:
        """What the score of the newest set is made of, the most points first; empty for 0, or without a score."""
        points = self.scored.points if self.scored and self.total is not None else ()
        ranked = sorted(points, key=lambda part: part[1], reverse=True)
        return [f"{NAMES[name]} {number}" for name, number in ranked if number]

    @property
    def due_at(self) -> datetime | None:
        """When the next set is due (Chart 4); None where no set is known."""
        return self.scored.at + (self.scored.next_due or CONTINUOUS) if self.scored else None

    @property
    def is_continuous(self) -> bool:
        return self.scored is not None and self.scored.next_due is None

    def is_overdue(self, now: datetime) -> bool:
        return self.due_at is not None and now > self.due_at


def is_outdated(vitals: BedVitals, now: datetime) -> bool:
    """Whether even the newest reading is older than any set may be."""
    return now - max((sign.at for sign in vitals.signs), default=now) > OUTDATED_AFTER


def early_warning(vitals: BedVitals, course: Course, *, is_outdated: bool = False) -> EarlyWarning:
    """Judge the newest readings beside the half-hours before them."""
    newest = assess_signs(vitals.signs, vitals.scale)
    if isinstance(newest.result, Score) and newest.observed_at:
        scored, before = Scored.of(newest.observed_at, newest.result), course.before(newest.observed_at)
        return EarlyWarning(scored, before, (), is_outdated=is_outdated)
    last = course.last
    missing = tuple(NAMES[name] for name in newest.result.missing) if not isinstance(newest.result, Score) else ()
    return EarlyWarning(last, course.before(last.at) if last else None, missing)


@lru_cache(maxsize=2000)
def assess_signs(signs: Sequence[Sign], scale: OxygenTarget.Scale) -> Assessment:
    """Assess a cached set; kept by value, since boards ask every two seconds what changes once a minute."""
    return assessed({sign.vital: (sign.at, sign.value) for sign in signs}, scale)
