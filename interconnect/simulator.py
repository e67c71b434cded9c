"""A hospital that never was: seeded patients who arrive, move, leave and are measured, as HL7 messages."""

import itertools
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random

from django.db.models import F

from interconnect.sample_messages import Person, Place, adt, oru, spoil, timestamp
from interconnect.sample_patients import VITALS, Patient
from vitals.demo import FACILITY, WARDS, Inpatient
from vitals.models import Stay

Clock = Callable[[], datetime]

PAST = 12  # hours of readings that patients have when the demo starts; boards draw so many
ARRIVALS = 4  # patients each half-hour of the past, until the wards are as full as they should be
OCCUPANCY = 0.8  # of the beds, to begin with and on average
MOVES = 0.02  # share of ADT messages once the wards are full
PRECAUTIONS = ("", "", "", "", "", "C", "D", "N")  # PV2-41
UNVERIFIED = 0.1  # share of OBX-11 = R
WARD_SIZE = 16  # beds of the wards invented beyond the known ones
FAMILIES = ("Okafor", "Brennan", "Müller", "García", "Lindqvist", "O'Dell", "Tanaka", "Novák", "Haddad", "Smith-Ward")
GIVEN = {
    "F": ("Adaeze", "Nora", "Zoë", "Ines", "Freja", "Maeve", "Yuki", "Petra", "Leila", "Ruth"),
    "M": ("Chidi", "Owen", "Jürgen", "Mateo", "Anders", "Finn", "Kenji", "Tomáš", "Omar", "Walter"),
}


def control_ids(letter: str, seed: int) -> Iterator[str]:
    """Yield MSH-10 of one sender's messages, counted up: what is missing among them shows as a gap."""
    return (f"{letter}{seed % 10**9:09}-{number}" for number in itertools.count(1))


def utc_now() -> datetime:
    return datetime.now(UTC)


def ticking(start: datetime, step: timedelta = timedelta(seconds=1)) -> Clock:
    """Return a clock that shows `start` and then moves on by `step` each time it is read."""
    moments = itertools.count()
    return lambda: start + next(moments) * step


def places(beds: int) -> list[Place]:
    """Return so many beds: those of the known wards, then of invented ones called W1, W2 and so on."""
    known = [Place(code, number) for code, (_, numbers) in WARDS.items() for number in numbers]
    first = max(place.number for place in known) + 1
    invented = [Place(f"W{index // WARD_SIZE + 1}", first + index) for index in range(beds - len(known))]
    return (known + invented)[:beds]


class Hospital:
    """Messages of one hospital; the same seed and clock give the same ones. `expected` is the first to be admitted."""

    def __init__(
        self,
        *,
        seed: int,
        beds: int = 32,
        bad_percent: float = 0.0,
        clock: Clock = utc_now,
        expected: Inpatient | None = None,
    ) -> None:
        self._random = Random(seed)  # noqa: S311  a simulation
        self._clock = clock
        self._bad_share = bad_percent / 100
        self._free = places(beds)
        self._patients: list[Patient] = []
        self._expected = expected
        self._normal = max(1, round(beds * OCCUPANCY))
        self._is_open = False  # once the first patients are in
        self._turns = itertools.count()
        self._movement_ids, self._reading_ids = control_ids("E", seed), control_ids("M", seed)
        self._mrns = itertools.count(self._random.randrange(100_000, 1_000_000), 7)

    def past(self, hours: int = PAST) -> Iterator[bytes]:
        """Yield who came in the last hours, and everybody's readings by the half-hour; then the wards are full."""
        clock, now = self._clock, self._clock()
        for half_hours in range(2 * hours, 0, -1):
            self._clock = ticking(now - half_hours * timedelta(minutes=30))
            for _ in range(min(ARRIVALS, self._normal - len(self._patients))):
                yield self._admit()
            for _ in range(len(self._patients)):
                yield self.vitals()
        self._clock, self._is_open = clock, True

    def next_message(self) -> bytes:
        """Return what happens next: admissions at first, then mostly vitals, some movements, some bad messages."""
        if self._patients and self._random.random() < self._bad_share:
            return self._bad_message()
        if not self._is_open:
            self._is_open = len(self._patients) + 1 >= self._normal
            return self._admit()
        return self.movement() if self._random.random() < MOVES else self.vitals()

    def movement(self) -> bytes:
        """Return an admission, transfer or discharge; the wards stay about as full as they should be."""
        occupied = len(self._patients)
        if occupied < self._normal * 0.9 or occupied == 0:
            return self._admit()
        if not self._free or occupied > self._normal * 1.1:
            return self._discharge()
        return self._random.choice((self._admit, self._transfer, self._discharge))()

    def vitals(self) -> bytes:
        """Return the readings of one patient, of all in turn. There must be one."""
        patient = self._patients[next(self._turns) % len(self._patients)]
        status = "R" if self._random.random() < UNVERIFIED else "F"
        return oru(
            self._clock(),
            next(self._reading_ids),
            patient.person,
            patient.place,
            patient.measure(self._random),
            status=status,
        )

    def _admit(self) -> bytes:
        now = self._clock()
        usual = [vital.well + self._random.gauss(0, vital.spread * 2) for vital in VITALS]
        patient = Patient(self._new_person(), self._take_bed(), now, usual, list(usual))
        self._patients.append(patient)
        leaves_at = now + timedelta(days=self._random.randrange(1, 5))
        plan = {9: timestamp(leaves_at), 41: self._random.choice(PRECAUTIONS)}
        return self._adt("A01", now, patient, {}, plan)

    def _transfer(self) -> bytes:
        patient = self._random.choice(self._patients)
        before, patient.place = patient.place, self._take_bed()
        self._free.append(before)
        return self._adt("A02", self._clock(), patient, {6: str(before)})

    def _discharge(self) -> bytes:
        now = self._clock()
        patient = self._patients.pop(self._random.randrange(len(self._patients)))
        self._free.append(patient.place)
        return self._adt("A03", now, patient, {45: timestamp(now)})

    def _bad_message(self) -> bytes:
        """Spoil a copy of something plausible: what is lost with it does not change the hospital."""
        patient = self._random.choice(self._patients)
        is_movement = self._random.random() < 0.5  # noqa: PLR2004  half
        good = self._adt("A01", self._clock(), patient, {}) if is_movement else self.vitals()
        return spoil(self._random, good)

    def _adt(
        self, event: str, when: datetime, patient: Patient, pv1: dict[int, str], pv2: dict[int, str] | None = None
    ) -> bytes:
        stay = pv1 | {44: timestamp(patient.admitted_at)}
        return adt(event, when, next(self._movement_ids), patient.person, patient.place, stay, pv2)

    def _take_bed(self) -> Place:
        return self._free.pop(self._random.randrange(len(self._free)))

    def _new_person(self) -> Person:
        number = next(self._mrns)
        sex = self._random.choice("FM")
        born = date(1930, 1, 1) + timedelta(days=self._random.randrange(28_000))
        names = self._random.choice(FAMILIES), self._random.choice(GIVEN[sex])
        mrn, family, given, born, sex = self._expected or Inpatient(f"{number:08}", *names, born, sex)
        self._expected = None
        return Person(mrn, f"V{number:09}", family, given, born, sex)


def generate(count: int, *, seed: int = 1, beds: int = 32, start: datetime | None = None) -> Iterator[bytes]:
    """Yield good messages a second apart, movements and vitals in turn: half ADT, half ORU."""
    hospital = Hospital(seed=seed, beds=beds, clock=ticking(start or datetime(2026, 1, 1, tzinfo=UTC)))
    for number in range(count):
        yield hospital.vitals() if number % 2 else hospital.movement()


def leftovers() -> Iterator[bytes]:
    """Yield a discharge for each patient whom the database still has in this hospital: those of an earlier run."""
    stays = Stay.objects.filter(
        to_at=None,
        bed__unit__facility=FACILITY,
        bed__label__regex=r"^\d+$",
        visit__authority=FACILITY,
        visit__patient__identifiers__authority=FACILITY,
    ).annotate(mrn=F("visit__patient__identifiers__value"))
    for stay in stays.select_related("visit__patient", "bed__unit"):
        patient, now = stay.visit.patient, utc_now()
        person = Person(
            mrn=stay.mrn,
            visit=stay.visit.number,
            family=patient.family_name,
            given=patient.given_name,
            born=patient.birth_date,
            sex=patient.sex,
        )
        place = Place(stay.bed.unit.code, int(stay.bed.label))
        yield adt("A03", now, f"FRESH{secrets.token_hex(7)}", person, place, {45: timestamp(now)})
