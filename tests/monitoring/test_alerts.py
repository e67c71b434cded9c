"""Alerts: one per incident, from its beginning to its end, told twice and acknowledged by name."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audit.models import AuditEvent
from epicops.mail import mail_settings
from monitoring.alerts import TELLING, Memory, look, mark_told, untold
from monitoring.messages import Blackout, send, tell
from monitoring.metrics import METRICS
from monitoring.models import Alert, AlertRule
from tests.operators import staff
from tests.processes import PROJECT

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
DOWN = [("epicops_up", "redis_queue", 0.0)]
UP = [("epicops_up", "redis_queue", 1.0)]


@pytest.fixture(autouse=True)
def _one_rule(settings: Settings) -> None:
    AlertRule.objects.all().delete()
    rule(name="Part down", metric="epicops_up", comparison="<", threshold=1, hold=60, severity="critical")
    settings.EPICOPS_ALERT_EMAILS = ["oncall@hospital.example"]


def rule(**values: object) -> None:
    AlertRule.objects.create(**values)


def seen(*looks: tuple[int, list[tuple[str, str, float]]]) -> None:
    """Look at these values so many seconds after three in the morning, and tell people each time."""
    memory = Memory()
    for seconds, values in looks:
        look(values, memory, START + timedelta(seconds=seconds))
        tell()


def told() -> list[str]:
    return [message.subject.removeprefix("[epicops] ") for message in mail.outbox]


def test_an_incident_is_told_when_it_lasts_and_when_it_is_over() -> None:
    seen((0, DOWN), (30, DOWN))
    assert told() == []

    seen((60, DOWN), (90, DOWN), (120, UP), (390, UP))

    assert told() == ["Part down: redis_queue", "resolved: Part down: redis_queue"]
    alert = Alert.objects.get()
    assert (alert.began_at, alert.ended_at) == (START, START + timedelta(seconds=90))


def test_what_does_not_last_is_no_incident() -> None:
    seen((0, DOWN), (30, DOWN), (45, UP), (60, DOWN))

    assert Alert.objects.unresolved().count() == len(told()) == 0


def test_what_flaps_is_one_incident() -> None:
    seen((0, DOWN), (60, DOWN), *((60 + 30 * number, UP if number % 2 else DOWN) for number in range(60)))

    assert (Alert.objects.count(), told()) == (1, ["Part down: redis_queue"])


def test_what_nobody_can_see_neither_raises_nor_ends_an_alert() -> None:
    seen((0, DOWN), (60, DOWN), (2000, []))

    assert Alert.objects.unresolved().count() == 1


def test_all_that_is_new_is_one_message() -> None:
    many = [("epicops_up", f"part_{number}", 0.0) for number in range(50)]

    seen((0, many), (60, many))

    assert told() == ["50 alerts"]
    assert mail.outbox[0].body.endswith("and 30 more")


def test_a_total_is_judged_by_its_growth_and_may_begin_anew() -> None:
    AlertRule.objects.all().delete()
    rule(name="Dead letters", metric="epicops_messages_total", label="dead", threshold=0, window=900, hold=0)
    dead = [(at, [("epicops_messages_total", "dead", value)]) for at, value in ((0, 70.0), (15, 70.0), (30, 2.0))]

    seen(*dead[:2])
    assert told() == []
    seen(*dead)

    assert Alert.objects.get().value == 2


def test_what_is_not_seen_any_more_is_forgotten() -> None:
    memory, minute = Memory(), timedelta(minutes=1)

    memory.add([("epicops_feed_refused_total", "GONE", 1.0)], START, minute)
    memory.add([("epicops_feed_refused_total", "HERE", 1.0)], START + 2 * minute, minute)

    assert [label for _, label in memory._readings] == ["HERE"]


@pytest.mark.django_db(transaction=True)
def test_while_one_monitor_tells_another_is_quiet() -> None:
    for seconds in (0, 60):
        look(DOWN, Memory(), START + timedelta(seconds=seconds))
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [TELLING])
        tell()
        assert told() == []

    tell()

    assert told() == ["Part down: redis_queue"]


def test_an_alert_that_ends_while_people_are_told_of_it_is_told_again() -> None:
    for seconds in (0, 60):
        look(DOWN, Memory(), START + timedelta(seconds=seconds))
    begun = untold()
    Alert.objects.update(ended_at=START + timedelta(minutes=9))

    mark_told(begun)

    assert untold() == begun


class Mumble(socketserver.BaseRequestHandler):
    """Answers what is no HTTP."""

    def handle(self) -> None:
        self.request.recv(1024)
        self.request.sendall(b"220 mail.hospital.example\r\n")


@pytest.fixture
def hook(settings: Settings) -> Iterator[list[dict[str, object]]]:
    """A webhook's server; what it received."""
    received: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(503 if len(received) == 1 else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.EPICOPS_ALERT_WEBHOOK = f"http://127.0.0.1:{server.server_port}/"
        yield received
        server.shutdown()


def test_what_no_channel_took_is_sent_again(hook: list[dict[str, object]], settings: Settings) -> None:
    settings.EPICOPS_ALERT_EMAILS = []

    seen((0, DOWN), (60, DOWN), (75, DOWN), (90, DOWN))

    assert [message["text"] for message in hook] == [hook[0]["text"]] * 2
    assert hook[1]["alerts"][0]["rule"] == "Part down"  # type: ignore[index]  # JSON


def test_a_failing_channel_floods_no_other(hook: list[dict[str, object]]) -> None:
    seen((0, DOWN), (60, DOWN), (75, DOWN), (90, DOWN))

    assert (len(hook), len(told())) == (1, 1)


def test_a_webhook_that_does_not_speak_http_fails_and_ends_nothing(settings: Settings) -> None:
    settings.EPICOPS_ALERT_EMAILS = []
    with socketserver.TCPServer(("127.0.0.1", 0), Mumble) as server:
        settings.EPICOPS_ALERT_WEBHOOK = f"http://127.0.0.1:{server.server_address[1]}/"
        threading.Thread(target=server.handle_request, daemon=True).start()

        assert not send("Part down", ["critical"])


def test_the_end_of_an_outage_is_told_until_somebody_hears(settings: Settings) -> None:
    blackout, emails = Blackout(), settings.EPICOPS_ALERT_EMAILS
    for now in (0.0, 60.0):
        blackout.goes_on(now)

    settings.EPICOPS_ALERT_WEBHOOK = "http://127.0.0.1:9/"  # where nobody answers
    settings.EPICOPS_ALERT_EMAILS = []
    blackout.is_over()
    settings.EPICOPS_ALERT_EMAILS = emails
    for _ in range(2):
        blackout.is_over()

    assert told() == ["PostgreSQL does not answer", "resolved: PostgreSQL answers again"]


def test_without_postgresql_one_message_goes_out_and_one_when_it_is_back() -> None:
    blackout = Blackout()

    for now in (0.0, 30.0, 60.0, 75.0):
        blackout.goes_on(now)
    blackout.is_over()
    blackout.is_over()

    assert told() == ["PostgreSQL does not answer", "resolved: PostgreSQL answers again"]


def test_an_alert_is_acknowledged_by_name_and_stays_at_the_top(client: Client) -> None:
    seen((0, DOWN), (60, DOWN))
    client.force_login(staff("olu", "view_alert", "acknowledge_alert"))
    page = reverse("admin:monitoring_alert_changelist")
    assert "critical" in client.get(reverse("operations_now")).content.decode()

    client.post(page, {"action": "acknowledge", "_selected_action": [Alert.objects.get().pk]})

    assert "olu knows" in client.get(reverse("operations_now")).content.decode()
    assert AuditEvent.objects.get(code="alert.acknowledge").actor == "olu"


@pytest.mark.parametrize(
    ("metric", "label", "page"),
    [
        ("epicops_queue_depth", "inbox", reverse("admin:interconnect_batch_flow")),
        ("epicops_redis_memory_ratio", "queue", reverse("redis_server", args=["queue"])),
        ("epicops_up", "worker", reverse("admin:monitoring_alert_changelist")),
    ],
)
def test_an_alert_leads_to_the_page_of_what_it_is_about(metric: str, label: str, page: str) -> None:
    assert Alert(rule=AlertRule(metric=metric), label=label).get_absolute_url() == page


def test_acknowledging_needs_its_permission(client: Client) -> None:
    seen((0, DOWN), (60, DOWN))
    client.force_login(staff("mo", "view_alert"))

    page = client.get(reverse("admin:monitoring_alert_changelist")).content.decode()

    assert "Part down" in page
    assert "Acknowledge selected" not in page


def test_a_changed_threshold_is_on_record(client: Client) -> None:
    client.force_login(staff("sue", "view_alertrule", "change_alertrule"))
    subject = AlertRule.objects.get()
    form = {"name": subject.name, "severity": "critical", "metric": "epicops_up", "comparison": "<", "threshold": "2"}

    client.post(reverse("admin:monitoring_alertrule_change", args=[subject.pk]), form | {"window": "0", "hold": "60"})

    assert AuditEvent.objects.get(code="alertrule.change").detail["fields"]


def test_a_rule_that_watches_something_else_ends_its_alerts(client: Client) -> None:
    seen((0, DOWN), (60, DOWN))
    client.force_login(staff("sue", "view_alertrule", "change_alertrule"))
    subject = AlertRule.objects.get()
    form = {"name": subject.name, "severity": "critical", "metric": "epicops_up", "comparison": "<", "threshold": "1"}

    client.post(
        reverse("admin:monitoring_alertrule_change", args=[subject.pk]),
        form | {"label": "redis_cache", "window": "0", "hold": "60", "is_active": "on"},
    )

    assert not Alert.objects.unresolved()


def test_mail_goes_encrypted_unless_it_stays_on_this_host() -> None:
    assert mail_settings("smtp://u:p%40@mail.example")["EMAIL_USE_TLS"] is True
    assert mail_settings("smtps://mail.example")["EMAIL_USE_SSL"] is True
    assert mail_settings("smtp://localhost:25")["EMAIL_USE_TLS"] is False
    assert mail_settings("smtp://u:p%40@mail.example")["EMAIL_HOST_PASSWORD"] == "p@"


def test_the_first_rules_are_about_metrics_there_are_and_are_documented() -> None:
    rules = import_module("monitoring.migrations.0002_roles_and_rules").RULES
    page = (PROJECT / "docs" / "monitoring.md").read_text()

    assert not [rule for rule in rules if rule[2] not in METRICS]
    assert not [rule[0] for rule in rules if rule[0] not in page]


def test_an_alert_names_what_it_is_about_where_its_rule_does_not() -> None:
    for_each = AlertRule(name="Feed silent")
    for_one = AlertRule(name="Dead letters", label="dead")

    assert str(Alert(rule=for_each, label="LAB @ NORTH")) == "Feed silent: LAB @ NORTH"
    assert str(Alert(rule=for_one, label="dead")) == "Dead letters"
