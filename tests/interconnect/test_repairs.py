"""An edit becomes a recipe: seen on every message, made on a canary, then on all, stopped by the first failure."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from interconnect.dlq.redrive import report, step
from interconnect.dlq.repairs import Step, repaired, steps_between
from interconnect.models import DeadLetter, FailureGroup, InboundMessage, Redrive, Repair, Revision
from tests.builders import adt, drain, oru, push
from tests.interconnect.test_admin import deliver, page, tagless
from tests.operators import VIEW, staff

MAY = ("edit_deadletter", "redrive_deadletter", "view_repair", "view_failuregroup", "view_redrive")
UNIT = Step("OBX-6.1", "PULSE", "/min")


@pytest.fixture
def supervisor(client: Client) -> Client:
    client.force_login(staff("sam", *VIEW, *MAY))
    return client


def bad(mrn: str = "00427013", value: object = 78) -> bytes:
    """A heart rate in a unit that nobody knows."""
    return oru(mrn, hr=value).replace(f"||{value}||".encode(), f"||{value}|PULSE|".encode())


def good(mrn: str = "00427013") -> bytes:
    return bad(mrn).replace(b"PULSE", b"/min")


def save(client: Client, raw: bytes, name: str, reason: str = "unit") -> Any:
    letter = DeadLetter.objects.open().earliest("pk")
    given = {"text": raw.decode().replace("\r", "\n"), "save": "yes", "reason": reason, "repair": name}
    return client.post(reverse("admin:interconnect_deadletter_edit", args=[letter.pk]), given)


def apply(client: Client, **more: Any) -> Any:
    url = reverse("admin:interconnect_repair_apply", args=[Repair.objects.get().pk])
    return client.post(url, {"canary": 2, "rate": 1000, "stop_percent": 0, "mode": "anyway", **more})


def run(redrive: Redrive, steps: int) -> Redrive:
    for _ in range(steps):
        time.sleep(0.05)  # the rate is reckoned from the last step
        redrive = step(redrive.pk)
        drain()
    return redrive


@contextmanager
def refused(table: str, check: str) -> Iterator[None]:
    """The database refuses rows of this table for which the check does not hold."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT refused CHECK ({check})")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT refused")


@pytest.mark.parametrize(
    ("before", "after", "steps"),
    [
        (bad(), good(), [UNIT]),
        (oru(hr=1), oru(hr=1).replace(b"8867-4^hr^LN", b"6^hr^"), [("OBX-3.1", "8867-4", "6"), ("OBX-3.3", "LN", "")]),
        (adt("A01", bed=""), adt("A01"), [(f"PV1-3.{n}", "", v) for n, v in enumerate(("MED", "427", "427"), 1)]),
    ],
)
def test_an_edit_is_a_list_of_steps(before: bytes, after: bytes, steps: list[Any]) -> None:
    found = steps_between(before, after)

    assert found[: len(steps)] == steps
    assert repaired(before, found) == after


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        (bad(), bad() + b"\rNTE|1", "adds, removes or moves"),
        (bad(), bad("1"), "not about one patient: PID"),
        (oru(hr=1, rr=1), oru(hr=2, rr=3), "several different"),
        (bad(), bad(), "has 0"),
        (b"PID|1", bad(), "does not start with MSH"),
    ],
)
def test_an_edit_that_is_no_recipe_says_why(before: bytes, after: bytes, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        steps_between(before, after)


def test_a_repair_is_made_in_every_segment_and_repetition_where_it_fits_and_only_there() -> None:
    raw = oru(hr=1, rr=2, spo2=3).replace(b"||1||", b"||1|Q~Y~Q|").replace(b"||3||", b"||3|Q|")

    assert repaired(raw, [Step("OBX-6.1", "Q", "a&b"), Step("OBX-6.1", "", "%")]) == (
        raw.replace(b"Q", b"a\\T\\b").replace(b"||2||", b"||2|%|")
    )


def test_steps_do_not_feed_each_other() -> None:
    swapped = repaired(bad(), [Step("OBX-6.1", "PULSE", "A"), Step("OBX-6.1", "A", "B")])

    assert b"|A|" in swapped


@pytest.mark.django_db
def test_an_edit_is_kept_as_a_repair_and_offered_where_the_failure_is(supervisor: Client) -> None:
    deliver(bad(), bad("2"))

    answer = save(supervisor, good(), "unit of the pulse")
    preview = tagless(page(supervisor, answer["Location"]))

    repair, second = Repair.objects.get(), DeadLetter.objects.latest("pk")
    group_page = page(supervisor, reverse("admin:interconnect_failuregroup_change", args=[repair.group_id]))
    letter_page = page(supervisor, reverse("admin:interconnect_deadletter_change", args=[second.pk]))
    assert repair.steps == [UNIT]
    assert f"{second} OBX[1]-6 PULSE /min" in preview
    assert "2 would change something" in preview
    assert "unit of the pulse" in group_page
    assert f"edit/?repair={repair.pk}" in letter_page
    assert "pulse" not in str(AuditEvent.objects.get(code="repair.keep").detail)


@pytest.mark.django_db
def test_an_edit_that_is_no_recipe_or_has_no_new_name_is_not_kept(supervisor: Client) -> None:
    deliver(bad(), bad("2"))
    assert "not about one patient" in save(supervisor, bad("3"), "mrn").content.decode()
    assert not Revision.objects.exists()

    save(supervisor, good(), "unit")

    again = save(supervisor, good().replace(b"/min", b"bpm"), "unit")
    assert "There is a repair of this name." in again.content.decode()


@pytest.mark.django_db
def test_a_repair_is_tried_on_one_letter_in_the_editor(supervisor: Client) -> None:
    deliver(bad(), bad("2"))
    save(supervisor, good(), "unit")
    url = reverse("admin:interconnect_deadletter_edit", args=[DeadLetter.objects.latest("pk").pk])

    tried = page(supervisor, f"{url}?repair={Repair.objects.get().pk}")

    assert 'name="cell OBX-6.1" value="/min"' in tried
    assert "Rows that would change" in tried
    assert supervisor.get(f"{url}?repair=x").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_repair_is_made_on_the_canary_then_on_all_in_their_order(supervisor: Client) -> None:
    push(*(bad(str(number)) for number in range(6)))
    drain()
    save(supervisor, good("0"), "unit")

    asked = apply(supervisor)
    apply(supervisor, **dict(asked.context["hidden"]), post="yes")
    time.sleep(0.05)
    redrive = step(Redrive.objects.get().pk)
    assert Revision.objects.count() == 2  # the canary: the first was edited by hand
    drain()
    run(redrive, 3)

    replays = InboundMessage.objects.exclude(replay_of=None).order_by("pk")
    assert "6 would change something" in tagless(asked.content.decode())
    assert [bytes(message.raw) for message in replays] == [good(str(number)) for number in range(6)]
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {"resolved"}
    assert Redrive.objects.get().state == "done"
    assert sum(event.detail["count"] for event in AuditEvent.objects.filter(code="message.repair")) == 6


@pytest.mark.django_db(transaction=True)
def test_the_first_failure_stops_it_and_the_rest_stay_as_they_were(supervisor: Client) -> None:
    push(bad("0"), bad("1", 77), *(bad(str(number)) for number in range(2, 6)))
    drain()
    save(supervisor, good("0"), "unit")

    apply(supervisor, post="yes")
    with refused("vitals_observation", "value <> 77"):
        redrive = run(Redrive.objects.get(), 4)

    assert redrive.state == "stopped"
    assert (report(redrive)["resolved"], report(redrive)["failed"], report(redrive)["waiting"]) == (1, 1, 4)
    assert set(Revision.objects.values_list("message__dead_letter__state", flat=True)) == {"resolved", "failed"}


@pytest.mark.django_db(transaction=True)
def test_a_letter_that_the_repair_does_not_fit_is_left_out_untouched(supervisor: Client) -> None:
    push(bad("0"), bad("1").replace(b"PULSE", b"BEATS"))
    drain()
    save(supervisor, good("0"), "unit")
    assert FailureGroup.objects.get().letters.count() == 2

    apply(supervisor, post="yes")
    redrive = run(Redrive.objects.get(), 3)

    assert (redrive.state, report(redrive)["left-out"]) == ("done", 1)
    assert Revision.objects.count() == 1
    assert DeadLetter.objects.open().count() == 1
