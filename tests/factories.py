"""People, wards, beds and patients, for tests that need some and not how they came about."""

import time
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.test import Client
from django.utils import timezone

from epicops.portal import HYPERSPACE
from sessions_app.models import User
from vitals import grants, house
from vitals.models import Bed, Movement, Observation, Patient, Stay, Unit, Visit

PASSWORD = "correct horse battery staple"
NORMAL = {"hr": 78, "sbp": 120, "dbp": 80, "rr": 16, "spo2": 97, "temp": 36.8}
WHOLE = NORMAL | {"o2": 0, "acvpu": 0}  # a complete set of NEWS2, which scores 0


def a_second_later() -> None:
    """Have polls look up again who is where and who may see it."""
    house.forget()
    grants.forget()


def within_a_minute() -> None:
    """Leave the end of a minute: then polls that show times are answered in full once."""
    if (second := time.time() % 60) > 55:
        time.sleep(60 - second)


def unit(code: str = "A", *staff: User) -> Unit:
    """A ward, with these people on it."""
    ward, _ = Unit.objects.get_or_create(code=code, facility="EPICOPS", defaults={"name": f"Ward {code}"})
    ward.staff.add(*staff)
    return ward


def person(username: str, role: str = User.Role.NURSE, *, ward: str = "") -> User:
    """Somebody with PASSWORD, on the staff of `ward` if that is given."""
    user = User.objects.create_user(username, password=PASSWORD, role=role, department="medicine")
    if ward:
        unit(ward, user)
    return user


def amara() -> User:
    """Nurse on ward A."""
    return person("amara", ward="A")


def ben() -> User:
    """Nurse on ward B, who must not see ward A."""
    return person("ben", ward="B")


def olu() -> User:
    """Operator."""
    user = person("olu", User.Role.OPERATOR)
    user.is_staff = True
    user.save()
    return user


def signed_in(client: Client, user: User, portal: str = HYPERSPACE) -> Client:
    """Give the client a session such as the login page makes, without hashing a password."""
    client.force_login(user)
    session = client.session
    session.update({"role": user.role, "department": user.department, "portal": portal})
    session.save()
    return client


def session_id(client: Client) -> str:
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def bed(key: str = "bed427", ward: Unit | None = None) -> Bed:
    """A bed of ward A unless another is given."""
    number = key.removeprefix("bed")
    return Bed.objects.create(unit=ward or unit(), room=number, label=number, key=key)


def admit(to: Bed, family: str = "Okafor", *, at: datetime | None = None) -> Visit:
    """A new patient, born in 1961, in this bed since an hour ago or `at`."""
    at = at or timezone.now() - timedelta(hours=1)
    patient = Patient.objects.create(
        family_name=family, given_name="Amaka", birth_date=date(1961, 4, 12), sex="F", demographics_at=at
    )
    visit = Visit.objects.create(patient=patient, number=f"V{patient.pk}")
    Movement.objects.create(visit=visit, kind=Movement.Kind.ADMIT, occurred_at=at, bed=to, message_id=1)
    Stay.objects.create(visit=visit, bed=to, from_at=at)
    return visit


def today(hour: int) -> datetime:
    """A full hour of this day."""
    return timezone.localtime().replace(hour=hour, minute=0, second=0, microsecond=0)


def discharge(visit: Visit) -> None:
    """End the visit's stay now."""
    visit.stays.update(to_at=timezone.now())


def observe(visit: Visit, *, minutes_ago: float = 0, status: str = "F", **values: float) -> None:
    """A set of vitals of the visit's patient, NORMAL unless some are given."""
    at = timezone.now() - timedelta(minutes=minutes_ago)
    Observation.objects.bulk_create(
        Observation(
            patient=visit.patient,
            vital=vital,
            value=Decimal(str(value)),
            observed_at=at,
            status=status,
            sent_code="",
            sent_value=str(value),
            message_id=1,
        )
        for vital, value in (values or NORMAL).items()
    )
