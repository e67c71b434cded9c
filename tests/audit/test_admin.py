"""The audit trail in the admin, and that what operators change is in it."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from sessions_app.models import User
from tests.operators import olu, root, staff
from vitals.models import Unit

pytestmark = pytest.mark.django_db

EVENTS = reverse("admin:audit_auditevent_changelist")


def record(code: str, actor: str = "worker") -> AuditEvent:
    return AuditEvent.objects.record("C", code, actor=actor, object_type="inboundmessage", object_id=7)


def test_events_are_filtered_by_what_was_done_and_by_whom(client: Client) -> None:
    record("message.applied")
    record("message.replay", "olu")
    client.force_login(olu())

    by_code = client.get(EVENTS, {"code": "message.replay"}).context["cl"].result_list
    by_actor = client.get(EVENTS, {"actor": "worker"}).context["cl"].result_list

    assert [event.code for event in by_code] == ["message.replay"]
    assert [event.actor for event in by_actor] == ["worker"]


def test_events_are_read_only(client: Client) -> None:
    event = record("message.applied")
    client.force_login(root())
    url = reverse("admin:audit_auditevent_change", args=[event.pk])

    assert client.get(url).status_code == 200
    assert client.post(url, {"code": "nothing"}).status_code == 403
    assert client.get(url.replace("change", "delete")).status_code == 403
    assert client.get(f"{EVENTS}add/").status_code == 403


def test_the_trail_needs_its_permission(client: Client) -> None:
    client.force_login(staff("mo"))

    assert client.get(EVENTS).status_code == 403


def test_what_is_done_to_a_group_s_rights_is_audited(client: Client) -> None:
    client.force_login(root())

    client.post(reverse("admin:auth_group_add"), {"name": "Night shift"})
    group = Group.objects.get(name="Night shift")
    client.post(reverse("admin:auth_group_change", args=[group.pk]), {"name": "Night shift", "permissions": [1]})
    client.post(reverse("admin:auth_group_delete", args=[group.pk]), {"post": "yes"})

    assert not Group.objects.filter(pk=group.pk).exists()
    events = AuditEvent.objects.filter(object_type="group", object_id=group.pk).order_by("pk")
    assert [(event.code, event.detail) for event in events] == [
        ("group.add", {"fields": []}),
        ("group.change", {"fields": ["Permissions"]}),
        ("group.delete", {"fields": [""]}),
    ]


def test_giving_somebody_access_to_a_ward_is_audited_by_field_not_value(client: Client) -> None:
    unit = Unit.objects.create(code="MED")
    amara = User.objects.create_user("amara")
    client.force_login(staff("olu", "view_unit", "change_unit", "view_user"))

    client.post(reverse("admin:vitals_unit_change", args=[unit.pk]), {"name": "Medical", "staff": [amara.pk]})

    event = AuditEvent.objects.get(code="unit.change")
    assert list(unit.staff.all()) == [amara]
    assert (event.action, event.actor, event.object_id) == ("U", "olu", str(unit.pk))
    assert event.detail == {"fields": ["Name", "Staff"]}


def test_a_new_account_and_its_password_are_audited(client: Client) -> None:
    client.force_login(root())
    password = {"password1": "a quiet ward at dawn", "password2": "a quiet ward at dawn"}

    client.post(reverse("admin:sessions_app_user_add"), {"username": "amara", "role": "nurse", **password})
    amara = User.objects.get(username="amara")
    client.post(reverse("admin:auth_user_password_change", args=[amara.pk]), {**password, "usable_password": "true"})

    codes = AuditEvent.objects.filter(object_id=str(amara.pk)).order_by("id").values_list("code", flat=True)
    assert list(codes) == ["user.add", "user.change"]
    assert "dawn" not in str(AuditEvent.objects.values())


def test_accounts_are_never_deleted(client: Client) -> None:
    user = root()
    client.force_login(user)

    assert client.get(reverse("admin:sessions_app_user_delete", args=[user.pk])).status_code == 403
