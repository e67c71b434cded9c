"""The demo's hospital: its wards, the people who work there, and a patient who reads her own record."""

import json
import secrets
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management.base import CommandError
from django.db import transaction
from django.db.models import Q

from epicops.private_file import write_private
from vitals.models import LONG_AGO, Bed, Patient, PatientAccount, PatientIdentifier, Unit

FACILITY = "EPICOPS"
WARDS = {"ED": ("Emergency", range(401, 417)), "MED": ("Medical", range(417, 433))}
AMONG_REAL_PATIENTS = "--among-real-patients"
OPERATORS = "Interconnect operator"  # a group that migrations make
OPERATOR_PERMISSIONS = {
    "vitals": ("view_comparisonrun", "run_comparison"),
    "audit": ("view_auditevent",),
    "sessions_app": ("view_sessionrecord", "end_session", "view_breakglass", "close_breakglass"),
}


class Person(NamedTuple):
    """Somebody with a login: a clinician with wards, or staff of the admin."""

    first_name: str
    last_name: str
    role: str
    department: str
    wards: tuple[str, ...] = ()
    is_staff: bool = False
    is_superuser: bool = False


ATTRIBUTES = ("first_name", "last_name", "role", "department", "is_staff", "is_superuser")  # of a user


class Inpatient(NamedTuple):
    """Somebody in the hospital, as its messages name them."""

    mrn: str
    family: str
    given: str
    born: date
    sex: str


PAT = Inpatient("00427001", "Lindgren", "Pat", date(1961, 4, 12), "F")  # whom the simulated hospital admits first
PEOPLE = {
    "amara": Person("Amara", "Nwosu", "nurse", "emergency", ("ED",)),
    "ben": Person("Ben", "Castellanos", "nurse", "medicine", ("MED",)),
    "carol": Person("Carol", "Whitfield", "charge_nurse", "medicine", ("ED", "MED")),
    "olu": Person("Olu", "Adeyemi", "operator", "integration", is_staff=True),
    "admin": Person("", "", "operator", "integration", is_staff=True, is_superuser=True),
    "pat": Person("Pat", "Lindgren", "patient", ""),
}


def refuse_real_patients() -> None:
    """Raise CommandError where patients of another assigning authority than the demo's are on file."""
    if PatientIdentifier.objects.exclude(authority=FACILITY).exists():
        raise CommandError(
            f"this database has patients who are not the demo's: {AMONG_REAL_PATIENTS} puts invented people among them"
        )


def kept_passwords(path: Path) -> dict[str, str]:
    """Return everybody's password from the JSON file `path`; make the missing ones, readable by its owner only."""
    kept = path.read_text() if path.exists() else ""
    passwords: dict[str, str] = json.loads(kept or "{}")
    missing = {name: secrets.token_urlsafe(9) for name in PEOPLE if name not in passwords}
    if missing:
        write_private(path, json.dumps(passwords | missing, indent=1))
    return passwords | missing


@transaction.atomic
def seed(passwords: dict[str, str]) -> None:
    """Make sure that the wards, the beds and the people with their passwords exist. A second run changes nothing."""
    units = {code: seed_ward(code, name, beds) for code, (name, beds) in WARDS.items()}
    for username, person in PEOPLE.items():
        user = seed_person(username, person, passwords[username])
        user.units.add(*(units[code] for code in person.wards))
        if person.is_staff:
            user.groups.add(*Group.objects.filter(name=OPERATORS))
            user.user_permissions.add(*operator_permissions())
    seed_account("pat", PAT)


def seed_ward(code: str, name: str, beds: range) -> Unit:
    unit, _ = Unit.objects.get_or_create(facility=FACILITY, code=code, defaults={"name": name})
    Bed.objects.bulk_create(
        (Bed(unit=unit, room=str(number), label=str(number), key=f"bed{number}") for number in beds),
        ignore_conflicts=True,
    )
    return unit


def seed_person(username: str, person: Person, password: str) -> Any:
    attributes = {name: getattr(person, name) for name in ATTRIBUTES}
    user, _ = get_user_model().objects.update_or_create(username=username, defaults=attributes)
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    return user


def seed_account(username: str, inpatient: Inpatient) -> None:
    """Let a MyChart login open a patient's record."""
    number = PatientIdentifier.objects.filter(value=inpatient.mrn, authority=FACILITY).first()
    if number is None:
        details = {"family_name": inpatient.family, "given_name": inpatient.given, "sex": inpatient.sex}
        patient = Patient.objects.create(**details, birth_date=inpatient.born, demographics_at=LONG_AGO)
        number = PatientIdentifier.objects.create(patient=patient, value=inpatient.mrn, authority=FACILITY)
    user = get_user_model().objects.get(username=username)
    PatientAccount.objects.get_or_create(user=user, defaults={"patient_id": number.patient_id})


def operator_permissions() -> list[Permission]:
    wanted = Q()
    for app, codenames in OPERATOR_PERMISSIONS.items():
        wanted |= Q(content_type__app_label=app, codename__in=codenames)
    return list(Permission.objects.filter(wanted))
