"""Operators' second factor: who has one gets into the admin with it only."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from audit.models import AuditEvent
from sessions_app.models import User
from tests.factories import PASSWORD, person, signed_in
from tests.operators import olu, root

pytestmark = pytest.mark.django_db

LOGIN = reverse("admin:login")
INDEX = reverse("admin:index")


def code(user: User, step: int = 0) -> str:
    """What the authenticator shows, `step` half minutes from now."""
    return f"{totp(TOTPDevice.objects.get(user=user).bin_key, drift=step):06}"


def switched_on(client: Client, user: User) -> list[str]:
    """Switch the factor on as its owner does; the recovery codes."""
    client.force_login(user)
    assert b"<svg" in client.get(reverse("second_factor")).content
    answer = client.post(reverse("second_factor_on"), {"token": code(user)})
    return re.findall(r"<li><code>(\w+)</code>", answer.content.decode())


def gets_in(user: User, token: str = "") -> bool:
    client = Client()
    client.post(LOGIN, {"username": user.username, "password": PASSWORD, "otp_token": token})
    return client.get(INDEX).status_code == 200


def test_without_one_the_password_is_enough() -> None:
    assert gets_in(olu())


def test_with_one_a_present_code_is_needed_and_is_good_once(client: Client) -> None:
    user = olu()
    switched_on(client, user)
    TOTPDevice.objects.update(last_t=0)
    token = code(user)

    assert not gets_in(user)
    TOTPDevice.objects.update(throttling_failure_count=0)
    assert gets_in(user, token)
    assert not gets_in(user, token)


def test_each_recovery_code_is_good_once(client: Client) -> None:
    user = olu()
    recovery = switched_on(client, user)

    assert len(recovery) == 10
    assert [gets_in(user, recovery[0]), gets_in(user, recovery[0])] == [True, False]


def test_a_clinician_of_the_staff_does_not_get_round_it_by_the_other_door(client: Client) -> None:
    user = person("carol", User.Role.CHARGE_NURSE)
    user.is_staff = True
    user.save()
    switched_on(client, user)

    other = signed_in(Client(), User.objects.get(pk=user.pk))

    assert other.get(INDEX).status_code == 302


def test_it_is_not_switched_on_or_off_with_a_wrong_code(client: Client) -> None:
    user = olu()
    client.force_login(user)
    client.get(reverse("second_factor"))
    client.post(reverse("second_factor_on"), {"token": "000000"})
    assert not User.objects.get(pk=user.pk).has_second_factor

    TOTPDevice.objects.update(throttling_failure_count=0)
    switched_on(client, user)
    client.post(reverse("second_factor_off"), {"token": "x"})

    assert User.objects.get(pk=user.pk).has_second_factor


def test_two_pages_opened_at_once_are_no_error(client: Client) -> None:
    user = olu()
    for _ in range(2):
        TOTPDevice.objects.create(user=user, confirmed=False)
    client.force_login(user)

    assert client.get(reverse("second_factor")).status_code == 200


def test_an_administrator_switches_it_off_for_somebody_who_lost_it(client: Client) -> None:
    user = olu()
    switched_on(client, user)
    client.force_login(root())

    action = {"action": "remove_second_factor", "_selected_action": [user.pk]}
    client.post(reverse("admin:sessions_app_user_changelist"), action)

    assert gets_in(user)
    codes = AuditEvent.objects.filter(object_type="user", object_id=str(user.pk)).order_by("pk")
    assert [(event.code, event.actor) for event in codes] == [
        ("second_factor.on", "olu"),
        ("second_factor.off", "root"),
    ]
