"""Which codes are which vital sign, and in which unit each is kept (UCUM). docs/hl7-interface.md, "codes"."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from vitals.models import CodeMapping


@dataclass(frozen=True, slots=True)
class Vital:
    """A vital sign as epicops keeps it; what is outside `low` to `high` is kept and not shown."""

    label: str
    unit: str
    low: int
    high: int
    places: Decimal = Decimal(1)  # rounding


VITALS: Final = {
    "hr": Vital("Heart rate", "/min", 0, 350),
    "sbp": Vital("Systolic BP", "mm[Hg]", 20, 350),
    "dbp": Vital("Diastolic BP", "mm[Hg]", 10, 300),
    "map": Vital("Mean BP", "mm[Hg]", 10, 320),
    "rr": Vital("Respiratory rate", "/min", 0, 150),
    "spo2": Vital("SpO2", "%", 0, 100),
    "temp": Vital("Temperature", "Cel", 20, 46, Decimal("0.1")),
}
# What NEWS2 needs besides, and others.
KEPT: Final = VITALS | {
    "o2": Vital("Oxygen flow", "L/min", 0, 100, Decimal("0.1")),  # 0: on air
    "fio2": Vital("Inspired oxygen", "%", 21, 100),
    "acvpu": Vital("Consciousness", "", 0, 4),  # 0 alert, new confusion, voice, pain, 4 unresponsive
    # Kept for the record: no page shows them.
    "gcs": Vital("Glasgow coma score", "{score}", 3, 15),
    "pain": Vital("Pain", "{score}", 0, 10),
    "weight": Vital("Weight", "kg", 0, 650, Decimal("0.01")),
    "height": Vital("Height", "cm", 10, 280, Decimal("0.1")),
}
PRESSURE: Final = "bp"  # one OBX with "120/80": two vitals
# The places in ACVPU by what senders write. Whole words only: "absent", "asleep" and "altered" begin like "alert".
CONSCIOUSNESS: Final = {
    words: place
    for place, written in enumerate(
        (
            ("a", "alert"),
            ("c", "confusion", "new confusion", "confused", "newly confused"),
            ("v", "voice", "verbal", "responds to voice"),
            ("p", "pain", "responds to pain"),
            ("u", "unresponsive"),
        )
    )
    for words in written
}


class Meaning(NamedTuple):
    """What a code stands for, and the unit of values sent without one."""

    vital: str
    unit: str = ""


# LOINC, and ISO/IEEE 11073-10101 (MDC). A code counts only in its own system, or where the sender names none.
LOINC: Final = {
    "8867-4": "hr",
    "8480-6": "sbp",
    "8462-4": "dbp",
    "8478-0": "map",
    "85354-9": PRESSURE,
    "35094-2": PRESSURE,
    "9279-1": "rr",
    "59408-5": "spo2",
    "2708-6": "spo2",
    "8310-5": "temp",
    "8331-1": "temp",
    "8332-9": "temp",
    "3151-8": "o2",
    "3150-0": "fio2",
    "67775-7": "acvpu",
    "9269-2": "gcs",
    "72514-3": "pain",
    "29463-7": "weight",
    "8302-2": "height",
}
MDC: Final = {
    **dict.fromkeys(("147842", "149514", "149522", "149530", "149546"), "hr"),
    **dict.fromkeys(("150017", "150021", "150033", "150301"), "sbp"),
    **dict.fromkeys(("150018", "150022", "150034", "150302"), "dbp"),
    **dict.fromkeys(("150019", "150023", "150035", "150303"), "map"),
    **dict.fromkeys(("151562", "151570", "151578", "151586"), "rr"),
    **dict.fromkeys(("150344", "150364"), "temp"),
    "150456": "spo2",
}
SYSTEMS: Final = {
    "LN": LOINC,
    "LOINC": LOINC,
    "http://loinc.org": LOINC,
    "2.16.840.1.113883.6.1": LOINC,
    "MDC": MDC,
    "": LOINC | MDC,  # their codes cannot be mistaken for each other
}

LocalCodes = Mapping[tuple[str, str], Meaning]
NO_LOCAL_CODES: Final[LocalCodes] = MappingProxyType({})


def local_codes() -> LocalCodes:
    """Return what the administrators have mapped. One query."""
    rows = CodeMapping.objects.values_list("code", "system", "vital", "unit")
    return {(code, system): Meaning(vital, unit) for code, system, vital, unit in rows}


def meaning_of(code: str, system: str, local: LocalCodes) -> Meaning | None:
    """Return what a code of OBX-3 stands for in its system, a local mapping first; None where nobody knows."""
    if not code:
        return None
    if (found := local.get((code, system))) is not None:
        return found
    vital = SYSTEMS.get(system, {}).get(code)
    return Meaning(vital) if vital else None


# Units as printed, in UCUM or as MDC numbers, by the UCUM unit they mean.
UNITS: Final = {
    "/min": (
        "/min",
        "{beats}/min",
        "{breaths}/min",
        "bpm",
        "beats/min",
        "breaths/min",
        "br/min",
        "1/min",
        "264864",
        "264928",
    ),
    "mm[Hg]": ("mm[Hg]", "mmhg", "mm hg", "266016"),
    "kPa": ("kpa", "265987"),
    "%": ("%", "percent", "262688"),
    "1": ("1",),
    "Cel": ("cel", "c", "°c", "degc", "deg c", "celsius", "268192"),
    "[degF]": ("[degf]", "f", "°f", "degf", "deg f", "fahrenheit", "266560"),
    "L/min": ("l/min", "lpm"),
    "{score}": ("{score}", "score", "points"),
    "kg": ("kg",),
    "g": ("g",),
    "[lb_av]": ("[lb_av]", "lb", "lbs"),
    "cm": ("cm",),
    "m": ("m",),
    "[in_i]": ("[in_i]", "in"),
}
UCUM: Final = {printed.lower(): unit for unit, names in UNITS.items() for printed in names}
CONVERSIONS: Final[Mapping[tuple[str, str], Callable[[Decimal], Decimal]]] = {
    ("Cel", "[degF]"): lambda value: (value - 32) / Decimal("1.8"),
    ("mm[Hg]", "kPa"): lambda value: value * Decimal("7.50062"),
    ("%", "1"): lambda value: value * 100,
    ("{score}", "1"): lambda value: value,
    ("kg", "g"): lambda value: value / 1000,
    ("kg", "[lb_av]"): lambda value: value * Decimal("0.45359237"),
    ("cm", "m"): lambda value: value * 100,
    ("cm", "[in_i]"): lambda value: value * Decimal("2.54"),
}
HOTTEST_CELSIUS: Final = 50  # a temperature above it without a unit is in degrees Fahrenheit
FRACTIONS: Final = ("spo2", "fio2")  # up to 1 without a unit they are parts of one


def to_kept_unit(vital: str, value: Decimal, unit: str) -> Decimal:
    """Return `value`, sent in `unit`, in the unit the vital is kept in, rounded half up.

    ValueError for a unit that this vital is not measured in. Empty: what the value tells, else the kept one.
    """
    kept = KEPT[vital]
    ucum = UCUM.get(unit.lower(), unit) if unit else _likely_unit(vital, value)
    if ucum != kept.unit:
        convert = CONVERSIONS.get((kept.unit, ucum))
        if convert is None:
            raise ValueError("unknown unit")
        value = convert(value)
    return value.quantize(kept.places, ROUND_HALF_UP)


def _likely_unit(vital: str, value: Decimal) -> str:
    if vital == "temp" and value > HOTTEST_CELSIUS:
        return "[degF]"
    return "1" if vital in FRACTIONS and value <= 1 else KEPT[vital].unit


def is_plausible(vital: str, value: Decimal) -> bool:
    """Whether a living patient can have this value."""
    return KEPT[vital].low <= value <= KEPT[vital].high
