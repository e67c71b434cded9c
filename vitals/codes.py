"""Which codes are which vital sign, and in which unit each is kept (UCUM)."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final


@dataclass(frozen=True, slots=True)
class Vital:
    """A vital sign as epicops keeps it."""

    label: str
    unit: str
    places: Decimal = Decimal(1)  # rounding


VITALS: Final = {
    "hr": Vital("Heart rate", "/min"),
    "sbp": Vital("Systolic BP", "mm[Hg]"),
    "dbp": Vital("Diastolic BP", "mm[Hg]"),
    "map": Vital("Mean BP", "mm[Hg]"),
    "rr": Vital("Respiratory rate", "/min"),
    "spo2": Vital("SpO2", "%"),
    "temp": Vital("Temperature", "Cel", Decimal("0.1")),
}

# LOINC and, of ISO/IEEE 11073-10101 (MDC), the numbers seen in real messages.
CODES: Final = {
    "8867-4": "hr",
    "8480-6": "sbp",
    "8462-4": "dbp",
    "8478-0": "map",
    "9279-1": "rr",
    "59408-5": "spo2",
    "2708-6": "spo2",
    "8310-5": "temp",
    "147842": "hr",
    "149530": "hr",
    "149522": "hr",
    "150021": "sbp",
    "150022": "dbp",
    "150023": "map",
    "150033": "sbp",
    "150034": "dbp",
    "150035": "map",
    "150301": "sbp",
    "150302": "dbp",
    "150303": "map",
    "150344": "temp",
    "150456": "spo2",
    "151562": "rr",
}


def _fahrenheit(value: Decimal) -> Decimal:
    return (value - 32) / Decimal("1.8")


def _kilopascal(value: Decimal) -> Decimal:
    return value * Decimal("7.50062")


CONVERSIONS: Final[dict[tuple[str, str], Callable[[Decimal], Decimal]]] = {
    ("Cel", "[degF]"): _fahrenheit,
    ("Cel", "degF"): _fahrenheit,
    ("Cel", "F"): _fahrenheit,
    ("Cel", "266560"): _fahrenheit,
    ("mm[Hg]", "kPa"): _kilopascal,
}


def to_kept_unit(vital: str, value: Decimal, unit: str) -> Decimal:
    """Return `value`, sent in `unit` (UCUM, MDC number or empty), in the unit the vital is kept in, rounded."""
    kept = VITALS[vital]
    convert = CONVERSIONS.get((kept.unit, unit))
    return (convert(value) if convert else value).quantize(kept.places, ROUND_HALF_UP)
