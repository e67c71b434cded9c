"""What a message said, as facts about patients: what the interface hands to the wards."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from vitals.models import Movement, Observation


@dataclass(frozen=True, slots=True)
class Identity:
    """A patient as one message names them; `value` and `authority` are the identifier (PID-3)."""

    value: str
    authority: str
    family_name: str = ""
    given_name: str = ""
    birth_date: date | None = None
    sex: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.value, self.authority


@dataclass(frozen=True, slots=True)
class Location:
    """PV1-3: unit, room, bed and facility; any but the unit may be empty."""

    unit: str
    room: str
    bed: str
    facility: str


@dataclass(frozen=True, slots=True)
class PatientMoved:
    """A patient was admitted, transferred or discharged."""

    identity: Identity
    stated_at: datetime  # MSH-7: which of two demographics is newer
    visit: tuple[str, str]  # number, authority
    kind: Movement.Kind
    occurred_at: datetime
    location: Location | None


@dataclass(frozen=True, slots=True)
class VitalSign:
    """One measured value in the unit of `vitals.codes`, beside what was sent."""

    vital: str
    value: Decimal
    observed_at: datetime
    status: Observation.Status
    sub_id: str
    sent_code: str
    sent_value: str
    sent_unit: str


@dataclass(frozen=True, slots=True)
class VitalsMeasured:
    """Vital signs of one patient."""

    identity: Identity
    signs: tuple[VitalSign, ...]


Event = PatientMoved | VitalsMeasured
