"""Each cause of trouble shows on the index, at /readyz and in /metrics within five seconds, and goes away by itself."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread

import pytest
from django.core.management import call_command
from django.db import close_old_connections, connections, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from epicops.embedded.stack import Stack
from epicops.portal import HYPERSPACE
from interconnect.consumer.queue import uuid7
from interconnect.models import Batch, DeadLetter, InboundMessage
from monitoring.history import KEPT, keep, plots
from monitoring.metrics import METRICS
from monitoring.models import Sample
from monitoring.status import read_totals, status
from sessions_app.backend import SessionStore
from tests.builders import adt, drain, oru, push
from tests.operators import olu
from tests.processes import PROJECT, ManageProcess

SECONDS = 5.0
KEY = "a key for the tests"


@pytest.fixture(autouse=True)
def _metrics_key(settings: Settings) -> None:
    settings.EPICOPS_METRICS_KEY = KEY


def scrape(client: Client) -> str:
    return client.get("/metrics", headers={"Authorization": f"Bearer {KEY}"}).content.decode()


def readyz(client: Client) -> dict[str, str]:
    answer: dict[str, str] = client.get("/readyz").json()
    return answer


def within(seconds: float, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


def says(client: Client, part: str, state: str) -> Callable[[], bool]:
    """Whether the index, /readyz and /metrics all say so of the part."""
    key = part.lower().replace(" ", "_")
    metric = f'epicops_up{{part="{key}"}} {1.0 if state == "up" else 0.0}'
    words = re.compile(rf'{part}\s*<span class="state state-{state}">{state}</span>')

    def agree() -> bool:
        page = client.get(reverse("admin:index")).content.decode()
        return bool(words.search(page)) and readyz(client)[key] == state and metric in scrape(client)

    return agree


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("role", ["sessions", "queue", "cache"])
def test_a_redis_server_that_is_killed_shows_and_recovers(stack: Stack, client: Client, role: str) -> None:
    client.force_login(olu())
    getattr(stack, role).kill()
    within(SECONDS, says(client, f"Redis {role}", "down"))
    assert readyz(client)["status"] == "degraded"

    getattr(stack, role).start()

    within(SECONDS, says(client, f"Redis {role}", "up"))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_postgresql_that_is_killed_shows_and_recovers(stack: Stack, client: Client) -> None:
    client.force_login(olu())
    stack.postgres.kill()
    close_old_connections()
    within(SECONDS, lambda: client.get("/readyz").status_code == 503)
    assert readyz(client)["postgresql"] == "down"
    assert 'epicops_up{part="postgresql"} 0.0' in scrape(client)
    assert client.get(reverse("admin:index")).status_code == 503

    assert client.get("/healthz").status_code == 200

    stack.postgres.start()
    close_old_connections()  # as at the beginning of each request; the test client leaves that out

    within(SECONDS, says(client, "PostgreSQL", "up"))


Program = tuple[str, Callable[[], ManageProcess]]  # its kind, and how to start one


@pytest.fixture(params=["worker", "listener"])
def program(request: pytest.FixtureRequest, manage: Callable[..., ManageProcess]) -> Program:
    arguments = {"worker": ["consume_interconnect"], "listener": ["listen_mllp", "--port", "0"]}
    return request.param, lambda: manage(*arguments[request.param])


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_program_that_is_killed_shows_and_so_does_the_next_one(client: Client, program: Program) -> None:
    kind, start = program
    process = start()
    client.force_login(olu())
    within(30, says(client, kind.capitalize(), "up"))

    process.kill()

    within(SECONDS, says(client, kind.capitalize(), "down"))
    assert [each.kind for each in status().programs or ()] == [kind]  # still listed, and since when

    start()

    within(30, says(client, kind.capitalize(), "up"))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_program_that_ends_in_good_order_is_taken_off_the_list(client: Client, program: Program) -> None:
    kind, start = program
    process = start()
    within(30, lambda: [each.kind for each in status().programs or ()] == [kind])

    assert process.stop() == 0

    assert status().programs == []


@pytest.mark.django_db
def test_metrics_need_their_key(client: Client, settings: Settings) -> None:
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer x"}).status_code == 401

    settings.EPICOPS_METRICS_KEY = ""

    assert client.get("/metrics").status_code == 404


@pytest.mark.django_db
def test_the_first_refused_frame_of_all_is_growth(client: Client) -> None:
    assert 'epicops_feed_refused_total{feed="(no sender)"} 0.0' in scrape(client)


@pytest.mark.django_db(transaction=True)
def test_metrics_count_what_was_delivered_and_name_nobody(client: Client) -> None:
    push(adt("A01"), adt("A60"), adt("A01", "2", bed=""), oru())
    drain()
    push(oru(minutes=5))

    text = scrape(client)

    assert 'epicops_messages_total{status="applied"} 2.0' in text
    assert 'epicops_messages_total{status="skipped"} 1.0' in text
    assert 'epicops_queue_depth{queue="waiting"} 1.0' in text
    assert "epicops_dead_letters_open 1.0" in text
    assert not [word for word in ("Okafor", "00427013", "bed427", "MED") if word in text]


@pytest.mark.django_db
def test_readyz_misses_a_migration(client: Client) -> None:
    from django.db.migrations.recorder import MigrationRecorder  # noqa: PLC0415

    from monitoring.health import _is_migrated  # noqa: PLC0415

    MigrationRecorder.Migration.objects.filter(app="monitoring").delete()
    _is_migrated.cache_clear()

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["migrations"]) == (503, "down")


@pytest.mark.django_db(transaction=True)
def test_the_totals_go_on_from_the_last_sample() -> None:
    push(adt("A01"), oru())
    drain()
    InboundMessage.objects.update(applied_at=timezone.now() - timedelta(minutes=1))
    call_command("run_monitor", once=True)
    push(oru(minutes=5), adt("A60"))
    drain()

    totals = status().totals

    assert totals
    assert (totals.applied, totals.skipped) == (3, 1)
    assert Sample.objects.get().applied == 2
    assert totals.rate == pytest.approx(4 / 60)


@pytest.mark.django_db(transaction=True)
def test_what_a_lane_commits_after_a_sample_is_counted() -> None:
    is_written, is_sampled = Event(), Event()

    def lane() -> None:
        with transaction.atomic():
            message()
            is_written.set()
            is_sampled.wait(10)
        connections.close_all()

    slower = Thread(target=lane)
    slower.start()
    is_written.wait(10)
    message()  # with the higher id
    keep(status())
    is_sampled.set()
    slower.join()

    assert read_totals().dead == 2


def message() -> None:
    batch = Batch.objects.create(pk=uuid7(), size=1, worker="w")
    InboundMessage.objects.create(batch=batch, ordinal=0, status=InboundMessage.Status.DEAD, raw=b"", sha256=b"")


@pytest.mark.django_db
def test_a_day_is_kept_and_a_hole_in_it_is_shown() -> None:
    now = timezone.now()
    minute = timedelta(minutes=1)
    totals = {"skipped": 0, "dead": 0, "open_dead_letters": 0, "last_message_id": 0}
    Sample.objects.bulk_create(
        Sample(at=now - number * minute, waiting=None if number == 4 else number, applied=0, **totals)
        for number in (1, 2, 3, 4, 5, 30, 31)
    )
    Sample.objects.create(at=now - KEPT - minute, waiting=9, applied=0, **totals)
    call_command("run_monitor", once=True)

    waiting, handled, _ = plots(now)

    assert not Sample.objects.filter(at__lt=now - KEPT).exists()
    # Not drawn: between 30 and 5 minutes ago, and the unknown value 4 minutes ago.
    assert [len(line.split()) for line in waiting.lines] == [2, 1, 4]
    assert (waiting.top, waiting.last) == (31, 0)
    assert handled.top == 1  # nothing was handled: the scale is never empty


@pytest.mark.django_db
def test_the_strip_is_polled_by_operators_only_and_is_no_activity(client: Client) -> None:
    url = reverse("operations_now")
    assert client.get(url).status_code == 302

    client.force_login(olu())

    assert client.get(url).status_code == 200
    assert getattr(client.get(url).resolver_match.func, "is_passive", False)


@pytest.mark.django_db(transaction=True)
def test_the_index_takes_a_fixed_number_of_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(olu())
    url = reverse("operations_now")

    with django_assert_num_queries(
        10
    ):  # user, alerts, sample, new messages, rate, dead letters, inbox, last batch, answer, pauses
        client.get(url)
    push(*(adt("A01", str(number), bed="") for number in range(20)))
    drain()
    assert DeadLetter.objects.count() == 20
    with django_assert_num_queries(10):
        client.get(url)


@pytest.mark.django_db
def test_metrics_count_sessions_by_portal_and_say_when_the_first_one_ends(client: Client) -> None:
    for seconds in (900, 600):
        session = SessionStore()
        session.update({"role": "nurse", "portal": HYPERSPACE})
        session.set_expiry(seconds)
        session.save()

    figures = dict(line.rsplit(" ", 1) for line in scrape(client).splitlines())

    assert figures['epicops_sessions_live{portal="Hyperspace"}'] == "2.0"
    assert 590 < float(figures['epicops_sessions_next_end_seconds{portal="Hyperspace"}']) <= 600


def test_every_metric_and_rule_is_documented() -> None:
    page = (PROJECT / "docs" / "monitoring.md").read_text()
    rules = (PROJECT / "deploy" / "prometheus" / "epicops.rules.yml").read_text()
    names = set(re.findall(r"alert: (\w+)", rules))

    assert set(re.findall(r"\| `(epicops_\w+)`", page)) == set(METRICS)
    assert all(spec.meaning in page for spec in METRICS.values())
    assert set(re.findall(r"\| `([A-Z]\w+)`", page)) == names


def dashboard() -> list[tuple[str, str]]:
    """Each query of the dashboard, and how it names its lines."""
    board = json.loads((PROJECT / "deploy" / "grafana" / "epicops.json").read_text())
    return [(target["expr"], target["legendFormat"]) for panel in board["panels"] for target in panel["targets"]]


def alerts() -> list[tuple[str, str]]:
    """Each rule's query, and what it tells."""
    text = (PROJECT / "deploy" / "prometheus" / "epicops.rules.yml").read_text()
    return re.findall(r"expr: (.*?)\n.*?annotations: (.*?)\n", text, re.DOTALL)


@pytest.mark.django_db
def test_dashboard_and_rules_ask_for_what_is_exported_and_name_its_labels(client: Client) -> None:
    exported = scrape(client)

    for query, words in [*dashboard(), *alerts()]:
        labels = {METRICS[metric].label for metric in re.findall(r"epicops_\w+", query)}
        assert set(re.findall(r"\{\{ *(?:\$labels\.)?([a-z]+)", words)) <= labels, query
        for metric, label, values in re.findall(r'(epicops_\w+)\{(\w+)[=~!]+"(.*?)"', query):
            for value in values.split("|"):
                assert f'{metric}{{{label}="{value}"}}' in exported, query


@pytest.mark.skipif(not shutil.which("promtool"), reason="not installed: prometheus")
def test_promtool_accepts_the_rules() -> None:
    rules = PROJECT / "deploy" / "prometheus" / "epicops.rules.yml"

    subprocess.run(["promtool", "check", "rules", rules], check=True)


@pytest.mark.django_db
def test_the_pages_of_one_app_are_not_the_operations_page(client: Client) -> None:
    client.force_login(olu())

    assert "data-poll" in client.get("/admin/").content.decode()
    assert "data-poll" not in client.get("/admin/interconnect/").content.decode()
