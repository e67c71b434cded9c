"""Simulated patients: how they are, and what monitors and nurses note of them."""

from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import NamedTuple

from interconnect.sample_messages import Person, Place, Reading

ROUND = 4  # with every so many sets a nurse notes oxygen and consciousness: then NEWS2 is complete
SETBACK, RECOVERY = 0.004, 0.02  # chance for each set of readings


class Vital(NamedTuple):
    """A vital sign: what it is in health and in illness, and how far it strays between readings."""

    code: str  # LOINC
    name: str
    unit: str  # UCUM
    well: float
    ill: float
    spread: float
    decimals: int = 0
    most: float = 300.0


VITALS = (
    Vital("8867-4", "Heart rate", "/min", 76, 128, 2.0),
    Vital("8480-6", "Systolic blood pressure", "mm[Hg]", 122, 86, 2.5),
    Vital("8462-4", "Diastolic blood pressure", "mm[Hg]", 76, 50, 2.0),
    Vital("59408-5", "Oxygen saturation by pulse oximetry", "%", 97, 87, 0.5, most=100.0),
    Vital("9279-1", "Respiratory rate", "/min", 15, 29, 0.8),
    Vital("8310-5", "Body temperature", "Cel", 36.8, 39.4, 0.08, decimals=1),
)


@dataclass(slots=True)
class Patient:
    """Somebody in a bed, and how they are."""

    person: Person
    place: Place
    admitted_at: datetime
    usual: list[float]
    now: list[float] = field(default_factory=list)
    is_deteriorating: bool = False
    sets: int = 0

    def measure(self, random: Random) -> list[Reading]:
        """Let some time pass and return what the monitor then shows."""
        if random.random() < (RECOVERY if self.is_deteriorating else SETBACK):
            self.is_deteriorating = not self.is_deteriorating
        for index, vital in enumerate(VITALS):
            goal = vital.ill if self.is_deteriorating else self.usual[index]
            drifted = self.now[index] + 0.1 * (goal - self.now[index]) + random.gauss(0, vital.spread)
            self.now[index] = min(drifted, vital.most)
        readings = [
            Reading(vital.code, vital.name, f"{value:.{vital.decimals}f}", vital.unit)
            for vital, value in zip(VITALS, self.now, strict=True)
        ]
        self.sets += 1
        return readings if self.sets % ROUND else readings + self.noted()

    def noted(self) -> list[Reading]:
        """Return what a nurse sees and no monitor tells."""
        litres, answers_to = ("2", "V") if self.is_deteriorating else ("0", "A")
        return [
            Reading("3151-8", "Inhaled oxygen flow rate", litres, "L/min"),
            Reading("67775-7", "Level of responsiveness", answers_to, "", "ST"),
        ]
