"""Large replays: canary, order, stop by itself; a killed process leaves every message replayed once or untouched."""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable

import pytest

from audit.models import AuditEvent
from interconnect.models import DeadLetter, InboundMessage, Redrive, Revision
from interconnect.redrive import report, start, step, turn
from sessions_app.models import User
from tests.builders import adt, drain, push
from tests.operators import staff
from tests.processes import ManageProcess

pytestmark = pytest.mark.django_db(transaction=True)

KILLS = int(os.environ.get("REDRIVE_KILLS", "3"))  # 20 takes three minutes
Manage = Callable[..., ManageProcess]
BY = ("--by", "sam")


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


def begin(by: User, **limits: int) -> Redrive:
    limits = {"rate": 1000, "canary": 2, "stop_percent": 20} | limits
    return start(DeadLetter.objects.all(), by=by, selection="test", **limits)


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
    assert report(redrive) == Counter({"waiting": 4, "failed again": 2})
    assert AuditEvent.objects.get(code="redrive.stopped").detail["failed again"] == 2


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

    assert report(redrive)["left out"] == 1
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
    manage("consume_interconnect")
    process = manage("replay_dead_letters", "--where", "error:missing-field", "--rate", "20", *BY)
    process.wait_for("Redrive #")
    redrive = Redrive.objects.get()
    kills = 0
    while kills < KILLS and Redrive.objects.get().state == "running":
        time.sleep(chance.uniform(0, 0.3))
        process.kill()
        kills += 1
        replays = Counter(InboundMessage.objects.exclude(replay_of=None).values_list("replay_of", flat=True))
        assert set(replays.values()) <= {1}
        process = manage("replay_dead_letters", "--resume", str(redrive.pk), *BY)
        process.wait_for("Redrive #")

    assert process.wait(60) == 0

    replays = Counter(InboundMessage.objects.exclude(replay_of=None).values_list("replay_of", flat=True))
    final = json.loads(process.stdout.splitlines()[-1])
    assert (len(replays), set(replays.values())) == (count, {1})
    assert (final["state"], final["resolved"], final["waiting"], final["left out"]) == ("done", count, 0, 0)
    assert kills == KILLS
