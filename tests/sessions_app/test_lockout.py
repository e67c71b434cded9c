"""Guessing passwords: whoever tries is locked out, the owner of the name elsewhere is not."""

import pytest
from axes.models import AccessAttempt
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audit.models import AuditEvent
from tests.factories import PASSWORD, amara
from tests.operators import olu

pytestmark = pytest.mark.django_db

LOGIN, DOOR = reverse("admin:login"), reverse("sessions:login")


def attempt(password: str, address: str = "192.0.2.7", *, url: str = LOGIN, name: str = "olu") -> int:
    client = Client(headers={"x-forwarded-for": f"203.0.113.1, {address}"}, REMOTE_ADDR="10.0.0.1")
    return client.post(url, {"username": name, "password": password}).status_code


@pytest.fixture(autouse=True)
def _behind_a_proxy(settings: Settings) -> None:
    settings.EPICOPS_TRUSTED_PROXIES = ["10.0.0.0/24"]


@pytest.mark.parametrize("url", [LOGIN, DOOR])
def test_five_wrong_passwords_lock_the_name_for_that_address_alone(url: str) -> None:
    name = (olu() if url == LOGIN else amara()).username
    statuses = [attempt("wrong", url=url, name=name) for _ in range(5)]

    assert statuses == [200, 200, 200, 200, 429]
    assert attempt(PASSWORD, url=url, name=name) == 429
    assert attempt(PASSWORD, "192.0.2.8", url=url, name=name) == 302


def test_a_right_password_ends_the_counting() -> None:
    olu()
    for password in ("wrong", "wrong", "wrong", "wrong", PASSWORD, "wrong"):
        last = attempt(password)

    assert last == 200


def test_failures_are_on_record_with_the_clients_address_and_without_what_was_typed() -> None:
    olu()
    for _ in range(5):
        attempt("wrong")
    attempt("x", name="my password in the wrong field")

    events = AuditEvent.objects.filter(code__startswith="session.lo").order_by("pk")
    assert [event.code for event in events] == [
        *["session.login_failed"] * 4,
        "session.locked_out",
        "session.login_failed",
    ]
    assert {event.source_ip for event in events} == {"192.0.2.7"}
    assert "my password" not in str(list(AccessAttempt.objects.values()))
