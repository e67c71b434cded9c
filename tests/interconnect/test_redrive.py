"""Large replays: canary, order, stop by itself; a killed process leaves every message replayed once or untouched."""

import csv
import datetime as dt
import io
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEvent
from interconnect.dlq.redrive import report, start, step, turn
from interconnect.models import DeadLetter, InboundMessage, Redrive, Revision
from sessions_app.models import User
from tests.builders import adt, drain, push
from tests.operators import staff
from tests.processes import ManageProcess

pytestmark = pytest.mark.django_db(transaction=True)

KILLS = int(os.environ.get("REDRIVE_KILLS", "3"))  # 20 takes three minutes
Manage = Callable[..., ManageProcess]
BY = ("--by", "sam")
LIST = reverse("admin:interconnect_deadletter_changelist")


@pytest.fixture
def sam(transactional_db: None) -> User:
    return staff("sam", "redrive_deadletter")


def dead(count: int, *, fixed: bool = True) -> None:
    """So many dead letters; with `fixed` each has a revision that can be applied."""
    push(*(adt("A01", str(number), bed="") for number in range(count)))
    drain()
    messages = InboundMessage.objects.order_by("pk") if fixed else []
    by = User.objects.get()
    Revision.objects.bulk_create(
        Revision(message=m, raw=adt("A01", str(n)), reason="bed", edited_by=by) for n, m in enumerate(messages)
    )


def begin(by: User, **limits: Any) -> Redrive:
    limits = {"rate": 1000, "canary": 2, "stop_percent": 20} | limits
    return start(Redrive(started_by=by, selection="test", **limits), DeadLetter.objects.all())


def released() -> int:
    return DeadLetter.objects.filter(state="replaying").count()


def test_the_canary_goes_first_and_the_rest_waits_for_its_outcome(sam: User) -> None:
    dead(6)
    redrive = begin(sam)
    time.sleep(0.05)
    step(redrive.pk)
    step(redrive.pk)
    assert released() == 2
    drain()
    time.sleep(0.05)

    step(redrive.pk)

    assert released() == 4
    assert list(DeadLetter.objects.filter(state="resolved")) == list(DeadLetter.objects.order_by("pk")[:2][::-1])


def test_a_canary_that_fails_again_stops_it_and_leaves_the_rest_open(sam: User) -> None:
    dead(6, fixed=False)
    redrive = begin(sam)
    time.sleep(0.05)
    step(redrive.pk)
    drain()

    assert step(redrive.pk).state == "stopped"
    assert report(redrive) == Counter({"waiting": 4, "failed": 2})
    assert AuditEvent.objects.get(code="redrive.stopped").detail["failed"] == 2


def test_the_rate_is_kept(sam: User) -> None:
    dead(6)
    redrive = begin(sam, rate=1, canary=0)

    for _ in range(5):
        step(redrive.pk)

    assert released() <= 1


def test_paused_releases_nothing_and_cancelled_is_the_end(sam: User) -> None:
    dead(3)
    redrive = begin(sam)
    turn(redrive.pk, "paused", by=sam)
    time.sleep(0.05)
    step(redrive.pk)
    assert released() == 0

    turn(redrive.pk, "cancelled", by=sam)

    with pytest.raises(ValueError, match="has ended"):
        turn(redrive.pk, "running", by=sam)


def test_what_somebody_discarded_meanwhile_is_left_out(sam: User) -> None:
    dead(3)
    redrive = begin(sam)
    DeadLetter.objects.filter(pk=DeadLetter.objects.earliest("pk").pk).update(state="discarded")
    time.sleep(0.05)

    step(redrive.pk)

    assert report(redrive)["left-out"] == 1
    assert DeadLetter.objects.earliest("pk").state == "discarded"


def test_the_command_counts_first_and_needs_somebody_who_answers(sam: User, manage: Manage) -> None:
    dead(3)

    counted = manage("replay_dead_letters", "--where", "error:missing-field", "--dry-run")
    refused = manage("replay_dead_letters", "--where", "error:missing-field", "--by", "nobody")

    assert counted.wait() == 0
    assert "3  missing-field PV1-3" in counted.stdout
    assert refused.wait() == 1
    assert DeadLetter.objects.open().count() == 3


@pytest.mark.slow
def test_killed_at_random_every_message_is_replayed_once_and_the_report_is_right(sam: User, manage: Manage) -> None:
    dead(count := 20 * KILLS)
    chance = random.Random(7)
    follower = manage("replay_dead_letters", "--where", "error:missing-field", "--rate", "20", *BY)
    follower.wait_for("Redrive #")
    for _ in range(KILLS):
        worker = manage("consume_interconnect")
        worker.wait_for("queue owned")
        time.sleep(chance.uniform(0, 0.8))
        worker.kill()
        replays = Counter(InboundMessage.objects.exclude(replay_of=None).values_list("replay_of", flat=True))
        assert set(replays.values()) <= {1}
    assert Redrive.objects.get().state == "running"
    manage("consume_interconnect")

    assert follower.wait(60) == 0

    replays = Counter(InboundMessage.objects.exclude(replay_of=None).values_list("replay_of", flat=True))
    final = json.loads(follower.stdout.splitlines()[-1])
    assert (len(replays), set(replays.values())) == (count, {1})
    assert (final["state"], final["resolved"], final["waiting"], final["left-out"]) == ("done", count, 0, 0)


def test_outside_its_window_it_waits(sam: User) -> None:
    dead(1)
    now = timezone.localtime()
    closed = begin(sam, opens_at=(now + timedelta(hours=1)).time(), closes_at=(now + timedelta(hours=2)).time())
    time.sleep(0.05)

    step(closed.pk)

    assert released() == 0
    assert Redrive(opens_at=dt.time(22), closes_at=dt.time(5)).is_open_at(dt.time(1))


def test_a_supervisor_starts_it_from_the_list_pauses_it_and_goes_on_with_other_limits(
    sam: User, client: Client
) -> None:
    dead(3)
    sam.user_permissions.add(*Permission.objects.filter(codename__in=["view_deadletter", "view_redrive"]))
    client.force_login(sam)
    chosen = {"action": "redrive_selected", "select_across": "1", "_selected_action": ["0"]}
    limits = {"canary": 1, "rate": 5, "stop_percent": 10, "mode": "anyway"}

    asked = client.post(LIST, chosen).content.decode()
    page = client.post(LIST, {**chosen, **limits, "post": "yes"})["Location"]
    client.post(page.replace("change/", "turn/"), {"state": "paused"})
    paused = Redrive.objects.get()
    client.post(page.replace("change/", "turn/"), {**limits, "state": "running", "rate": 7})

    assert "Redrive 3 messages" in asked
    assert "<strong>3</strong> would change something" in asked
    assert (paused.state, paused.items.count(), paused.canary) == ("paused", 3, 1)
    assert (Redrive.objects.get().state, Redrive.objects.get().rate) == ("running", 7)
    assert "0 of 3 finished" in client.get(page).content.decode()


def test_the_report_says_of_each_letter_what_became_of_it(sam: User, client: Client) -> None:
    dead(2, fixed=False)
    redrive = begin(sam)
    time.sleep(0.05)
    step(redrive.pk)
    drain()
    step(redrive.pk)
    sam.user_permissions.add(Permission.objects.get(codename="view_redrive"))
    client.force_login(sam)

    answer = client.get(reverse("admin:interconnect_redrive_report", args=[redrive.pk]))
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))

    assert [row["outcome"] for row in rows] == ["failed", "failed"]
    assert int(rows[0]["letter"]) < int(rows[1]["letter"])
    assert {row["new_error"] for row in rows} == {"missing-field"}
    assert AuditEvent.objects.get(code="redrive.report").detail["count"] == 2
