"""Every address of the operations pages for every role that the migrations create, and for staff in none."""

import pytest
from django.contrib.admin import AdminSite, site
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone

from monitoring.models import Alert, AlertRule
from tests.interconnect.test_roles import ROLES, in_role
from tests.operators import staff

pytestmark = pytest.mark.django_db

STAFF = {*ROLES, "none"}
ACTORS, SUPERVISOR = {"operator", "supervisor"}, {"supervisor"}
TRAIL = {"supervisor", "auditor"}
NOBODY = set[str]()

ADDRESSES = {
    ("GET", "admin:index"): STAFF,
    ("GET", "operations_now"): STAFF,
    ("GET", "operations_panels"): STAFF,
    ("GET", "second_factor"): STAFF,
    ("POST", "second_factor_on"): STAFF,
    ("POST", "second_factor_off"): STAFF,
    ("GET", "audit_questions"): TRAIL,
    ("POST", "audit_find_patient"): TRAIL,
    ("POST", "audit_export"): {"auditor"},
    ("GET", "redis_server"): ACTORS,
    ("POST", "redis_key"): ACTORS,
    ("POST", "redis_key_replace"): SUPERVISOR,
    ("GET", "admin:monitoring_alert_changelist"): set(ROLES),
    ("GET", "admin:monitoring_alert_change"): set(ROLES),
    ("GET", "admin:monitoring_alert_history"): set(ROLES),
    ("GET", "admin:monitoring_alert_add"): NOBODY,
    ("GET", "admin:monitoring_alert_delete"): NOBODY,
    ("GET", "admin:monitoring_alertrule_changelist"): TRAIL,
    ("GET", "admin:monitoring_alertrule_change"): TRAIL,
    ("GET", "admin:monitoring_alertrule_history"): TRAIL,
    ("GET", "admin:monitoring_alertrule_add"): NOBODY,
    ("GET", "admin:monitoring_alertrule_delete"): NOBODY,
}
ARGUMENTS = {"audit_export": ["csv"], "redis_server": ["cache"], "redis_key": ["cache"], "redis_key_replace": ["cache"]}
DAY = str(timezone.localdate())
FORM = {"name": "patient:bed427:vitals", "identifier": "1", "question": "doors", "since": DAY, "until": DAY}


def address(name: str) -> str:
    if name.endswith(("_change", "_delete", "_history")):
        row = Alert.objects.get() if "_alert_" in name else AlertRule.objects.get()
        return reverse(name, args=[row.pk])
    return reverse(name, args=ARGUMENTS.get(name, []))


@pytest.fixture
def _an_alert() -> None:
    AlertRule.objects.all().delete()
    rule = AlertRule.objects.create(name="x", metric="epicops_up", threshold=1)
    now = timezone.now()
    Alert.objects.create(rule=rule, value=0, began_at=now, raised_at=now, last_met_at=now)


def client_of(role: str) -> Client:
    if role in ROLES:
        return in_role(role)
    client = Client()
    client.force_login(staff("nobody"))
    return client


@pytest.mark.usefixtures("_an_alert")
@pytest.mark.parametrize("role", sorted(STAFF))
def test_each_role_gets_its_addresses_and_no_others(role: str) -> None:
    client = client_of(role)
    statuses = {
        (method, name): (client.get if method == "GET" else client.post)(address(name), FORM).status_code
        for method, name in ADDRESSES
    }

    wrong = {
        where: status for where, status in statuses.items() if (status in (200, 302)) is not (role in ADDRESSES[where])
    }

    assert wrong == {}


@pytest.mark.usefixtures("_an_alert")
def test_somebody_who_is_no_staff_gets_to_the_login_page_only() -> None:
    client = Client()
    answers = {
        name: (client.get if method == "GET" else client.post)(address(name), FORM) for method, name in ADDRESSES
    }

    assert not [name for name, answer in answers.items() if "/login/" not in answer.headers.get("Location", "")]


def test_every_address_of_the_operations_pages_is_in_the_table() -> None:
    prefixes = ("operations_", "audit_", "redis_", "second_factor")
    names = {name for name in get_resolver().reverse_dict if isinstance(name, str) and name.startswith(prefixes)}
    admin = {f"admin:{name}" for name in names_of(site) if name.startswith("monitoring_")}

    wanted = {name for _, name in ADDRESSES if name != "admin:index"}
    assert {name for name in names | admin if not name.startswith("audit_auditevent")} == wanted


def names_of(of_site: AdminSite) -> set[str]:
    parts = [getattr(part, "url_patterns", []) for part in of_site.get_urls()]
    return {str(pattern.name) for patterns in parts for pattern in patterns if getattr(pattern, "name", None)}


def test_the_groups_have_what_the_table_says() -> None:
    granted = Group.objects.filter(permissions__codename="change_redis_value")

    assert [group.name for group in granted] == ["Interconnect supervisor"]
