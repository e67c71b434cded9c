"""What a replay would do, shown without doing it."""

import pytest
from django.db import models

from interconnect.preview import preview_message
from tests.builders import adt, drain, merge, oru, push
from vitals.models import Bed, Movement, Observation, Patient, Stay, Visit

pytestmark = pytest.mark.django_db(transaction=True)


def counts() -> list[int]:
    tables: list[type[models.Model]] = [Bed, Movement, Observation, Patient, Stay, Visit]
    return [table._default_manager.count() for table in tables]


def test_a_preview_shows_the_stays_before_and_after_and_leaves_nothing_behind() -> None:
    push(adt("A01"))
    drain()
    before = counts()

    effect, _, problem = preview_message(adt("A02", bed="428", minutes=5))

    stays = [(dict(change.before), dict(change.after)) for change in effect.changes if change.what == "stay"]
    assert [(old.get("bed"), new.get("bed"), bool(new["until"])) for old, new in stays] == [
        ("bed427", "bed427", True),
        (None, "bed428", False),
    ]
    assert (problem, effect.ignored, counts()) == (None, (), before)


def test_what_the_preview_shows_is_what_happens() -> None:
    push(adt("A01"), oru(hr=60))
    drain()
    correction = oru(hr=66, status="C", stated=5)

    effect, _, _ = preview_message(correction)
    push(correction)
    drain()

    (change,) = effect.changes
    assert (dict(change.before)["value"], dict(change.after)["value"]) == ("60.00", "66.00")
    assert Observation.objects.get().value == 66
    assert preview_message(correction)[0].changes == ()


def test_a_stale_movement_is_said_to_be_ignored() -> None:
    push(adt("A01"), adt("A02", bed="428", minutes=5))
    drain()

    effect, _, _ = preview_message(adt("A02", bed="427", minutes=3))

    assert effect.changes == ()
    assert effect.ignored[0].startswith("The movement changes no stay")


def test_a_merge_shows_whose_stay_it_becomes() -> None:
    push(adt("A01", "OLD"), adt("A01", "NEW", bed="428"))
    drain()

    effect, _, _ = preview_message(merge("A40", "NEW", "OLD", minutes=5))

    (stay,) = (change for change in effect.changes if change.what == "stay")
    assert dict(stay.before)["patient"] != dict(stay.after)["patient"]


def test_a_message_that_cannot_be_applied_says_why() -> None:
    _, remark, problem = preview_message(adt("A01").replace(b"\rPID", b"\rZID"))
    assert (remark, problem.path if problem else "") == ("", "PID")

    _, remark, problem = preview_message(adt("A60"))
    assert (remark, problem) == ("no handler for this event", None)


def test_a_partial_message_shows_what_is_kept_and_what_is_wrong() -> None:
    effect, remark, problem = preview_message(oru(hr="fast", rr=16))

    assert [change.row.split()[0] for change in effect.changes if change.what == "vital"] == ["rr"]
    assert remark == "not usable: OBX[1]-5"
    assert problem is not None
