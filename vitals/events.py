"""What a message said, as facts about patients: what the interface hands to the wards."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from vitals.models import Movement, Observation

Name = tuple[str, str]  # an identifier or visit number, and who assigned it


@dataclass(frozen=True, slots=True)
class Identity:
    """A patient as one message names them; `value` and `authority` are the identifier (PID-3).

    A detail that is None was not stated; an empty text, or `is_birth_date_deleted`, says to delete what is on file.
    """

    value: str
    authority: str
    family_name: str | None = None
    given_name: str | None = None
    birth_date: date | None = None
    sex: str | None = None
    is_birth_date_deleted: bool = False

    @property
    def key(self) -> Name:
        return self.value, self.authority


@dataclass(frozen=True, slots=True)
class Location:
    """PV1-3: unit, room, bed and facility; any but the unit may be empty."""

    unit: str
    room: str
    bed: str
    facility: str


@dataclass(frozen=True, slots=True)
class PatientDescribed:
    """A message gave a patient's details and says nothing of where they are (A08, A28, A31)."""

    identity: Identity
    stated_at: datetime  # MSH-7: which of two statements is newer


@dataclass(frozen=True, slots=True)
class PatientMoved:
    """A patient was admitted, transferred or discharged, or one of these was cancelled or is planned."""

    identity: Identity
    stated_at: datetime
    visit: Name | None  # None: the patient's one unnumbered visit
    kind: Movement.Kind
    occurred_at: datetime
    recorded_at: datetime
    location: Location | None
    prior_location: Location | None = None


@dataclass(frozen=True, slots=True)
class VisitPlanned:
    """What is planned for a visit (PV2) and the patient's status (PV1-15), each whole: a newer statement replaces it.

    Both are flags of `vitals.plans`; `flags` is None where the message has no PV2.
    """

    identity: Identity
    stated_at: datetime
    visit: Name | None
    expected_discharge_at: datetime | None
    flags: tuple[str, ...] | None
    status: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PatientDeleted:
    """The person was deleted (A29): in no bed any more."""

    identity: Identity
    stated_at: datetime


@dataclass(frozen=True, slots=True)
class PatientsMerged:
    """What is known of the patient `old` belongs to the patient `identity`."""

    identity: Identity
    stated_at: datetime
    old: Name


@dataclass(frozen=True, slots=True)
class VisitMerged:
    """Visit `old` is visit `visit` (which may be itself), and that is the patient's."""

    identity: Identity
    stated_at: datetime
    visit: Name
    old: Name


class VitalSign(NamedTuple):
    """One measured value in the unit of `vitals.codes`, beside what was sent. `is_shown`: plausible, not withdrawn."""

    vital: str
    value: Decimal
    observed_at: datetime
    status: Observation.Status
    sub_id: str
    sent_code: str
    sent_value: str
    sent_unit: str
    is_shown: bool = True


@dataclass(frozen=True, slots=True)
class UnknownCode:
    """A code of OBX-3 that no mapping knows."""

    code: str
    system: str
    label: str


@dataclass(frozen=True, slots=True)
class VitalsMeasured:
    """Vital signs of one patient, and the codes beside them that mean nothing to us."""

    identity: Identity
    stated_at: datetime
    signs: tuple[VitalSign, ...]
    unknown_codes: tuple[UnknownCode, ...] = ()
    location: Location | None = None


Event = PatientDescribed | PatientMoved | VisitPlanned | PatientDeleted | PatientsMerged | VisitMerged | VitalsMeasured
