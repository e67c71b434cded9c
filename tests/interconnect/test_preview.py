"""What a replay would do, shown without doing it."""

import pytest
from django.db import connection, models

from interconnect.preview import Forecast, add_up, forecast
from tests.builders import adt, drain, merge, oru, push
from vitals.models import Bed, Movement, Observation, Patient, Stay, Visit

pytestmark = pytest.mark.django_db(transaction=True)


def one(raw: bytes) -> Forecast:
    return forecast([raw])[0]


def counts() -> list[int]:
    tables: list[type[models.Model]] = [Bed, Movement, Observation, Patient, Stay, Visit]
    return [table._default_manager.count() for table in tables]


def test_a_preview_shows_the_stays_before_and_after_and_leaves_nothing_behind() -> None:
    push(adt("A01"))
    drain()
    before = counts()

    delivery, effect = one(adt("A02", bed="428", minutes=5))

    stays = [(dict(change.before), dict(change.after)) for change in effect.changes if change.what == "stay"]
    assert [(old.get("bed"), new.get("bed"), bool(new["until"])) for old, new in stays] == [
        ("bed427", "bed427", True),
        (None, "bed428", False),
    ]
    assert (delivery.error, effect.ignored, counts()) == (None, (), before)


def test_what_the_preview_shows_is_what_happens() -> None:
    push(adt("A01"), oru(hr=60))
    drain()
    correction = oru(hr=66, status="C", stated=5)

    _, effect = one(correction)
    push(correction)
    drain()

    (change,) = effect.changes
    assert (dict(change.before)["value"], dict(change.after)["value"]) == ("60.00", "66.00")
    assert Observation.objects.get().value == 66
    assert one(correction).effect.changes == ()


def test_a_stale_movement_is_said_to_be_ignored() -> None:
    push(adt("A01"), adt("A02", bed="428", minutes=5))
    drain()

    _, effect = one(adt("A02", bed="427", minutes=3))

    assert effect.changes == ()
    assert effect.ignored[0].startswith("The movement changes no stay")


def test_a_merge_shows_whose_stay_it_becomes() -> None:
    push(adt("A01", "OLD"), adt("A01", "NEW", bed="428"))
    drain()

    _, effect = one(merge("A40", "NEW", "OLD", minutes=5))

    (stay,) = (change for change in effect.changes if change.what == "stay")
    assert dict(stay.before)["patient"] != dict(stay.after)["patient"]


def test_a_message_that_cannot_be_applied_says_why() -> None:
    dead, skipped = forecast([adt("A01").replace(b"\rPID", b"\rZID"), adt("A60")])

    assert (dead.outcome, dead.delivery.error and dead.delivery.error.path) == ("fail again", "PID")
    assert (skipped.outcome, skipped.delivery.reason) == ("be skipped", "no handler for this event")


def test_a_partial_message_shows_what_is_kept_and_what_is_wrong() -> None:
    delivery, effect = one(oru(hr="fast", rr=16))

    assert [change.row.split()[0] for change in effect.changes if change.what == "vital"] == ["rr"]
    assert delivery.reason == "not usable: OBX[1]-5"
    assert delivery.error is not None


def test_each_message_of_several_finds_what_those_before_it_did() -> None:
    push(adt("A01", "OTHER"))
    drain()
    before = counts()

    admit, again, transfer, merged = forecast(
        [adt("A01"), adt("A01"), adt("A02", bed="428", minutes=5), merge("A40", "00427013", "OTHER", minutes=9)]
    )

    assert [each.outcome for each in (admit, again, transfer)] == [
        "change something",
        "change nothing",
        "change something",
    ]
    assert [change.what for change in transfer.effect.changes] == ["stay", "stay"]
    assert {change.what for change in merged.effect.changes} == {"stay"}
    assert counts() == before


def test_one_that_the_database_refuses_leaves_the_others_their_preview() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE vitals_observation ADD CONSTRAINT no_77 CHECK (value <> 77)")
    try:
        good, bad, later = forecast([oru(hr=76), oru(hr=77), oru(hr=78, minutes=2)])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE vitals_observation DROP CONSTRAINT no_77")

    assert [each.outcome for each in (good, bad, later)] == ["change something", "fail again", "change something"]
    assert add_up([good, bad, later]).problems == {"epicops failed with IntegrityError": 1}
