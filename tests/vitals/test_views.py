"""Clinicians' pages: what they show, to whom, what is recorded, and what a poll costs."""

import re

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from audit.models import AuditEvent
from tests import factories
from vitals import fragments
from vitals.cache import write_through
from vitals.models import Bed, Unit, Visit

pytestmark = pytest.mark.django_db

BED = "/hyperspace/beds/bed427/"


@pytest.fixture
def amara(client: Client) -> Client:
    return factories.signed_in(client, factories.amara())


@pytest.fixture
def ben() -> Client:
    return factories.signed_in(Client(), factories.ben())


@pytest.fixture
def visit() -> Visit:
    """A patient in bed427 of ward A with normal vitals."""
    visit = factories.admit(factories.bed())
    factories.observe(visit)
    return visit


def board(suffix: str = "") -> str:
    return reverse(f"hyperspace:board{suffix}", args=[Unit.objects.get(code="A").pk])


def text(client: Client, address: str) -> str:
    """The page as one line of text."""
    response = client.get(address)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def views() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("code", flat=True))


# Who sees what


@pytest.mark.parametrize("route", ["board", "board-cells", "board-unattended", "handover"])
def test_ben_does_not_find_ward_a(ben: Client, visit: Visit, route: str) -> None:
    response = ben.get(reverse(f"hyperspace:{route}", args=[factories.unit("A").pk]))

    assert response.status_code == 404
    assert "Okafor" not in response.content.decode()


@pytest.mark.parametrize("route", ["bed", "bed-cells", "bed-unattended"])
def test_ben_does_not_find_a_bed_of_ward_a(ben: Client, visit: Visit, route: str) -> None:
    response = ben.get(reverse(f"hyperspace:{route}", args=["bed427"]))

    assert response.status_code == 404
    assert "Okafor" not in response.content.decode()


def test_ben_is_not_told_that_ward_a_exists(ben: Client, visit: Visit) -> None:
    shown = text(ben, "/hyperspace/")

    assert "Ward B" in shown
    assert "Ward A" not in shown


@pytest.mark.parametrize("unit", ["0", "99999999999999999999999"])
def test_a_ward_that_is_none_is_not_found(amara: Client, unit: str) -> None:
    assert amara.get(f"/hyperspace/units/{unit}/").status_code == 404


@pytest.mark.parametrize("route", ["/hyperspace/", BED, "/hyperspace/units/1/"])
def test_a_stranger_is_asked_to_sign_in(client: Client, route: str) -> None:
    assert client.get(route)["Location"] == f"/hyperspace/login/?next={route}"


# What is shown


def test_the_units_page_counts_beds(amara: Client, visit: Visit) -> None:
    factories.bed("bed428")
    factories.discharge(factories.admit(factories.bed("bed429")))

    shown = text(amara, "/hyperspace/")

    assert "<dt>Occupied</dt><dd>1</dd>" in shown
    assert "<dt>Free</dt><dd>2</dd>" in shown


def test_someone_without_a_ward_is_told_whom_to_ask(client: Client) -> None:
    factories.signed_in(client, factories.person("new"))

    assert "Ask your charge nurse" in text(client, "/hyperspace/")


def test_the_board_shows_each_patient_with_vitals_units_and_ages(amara: Client, visit: Visit) -> None:
    shown = text(amara, board())

    assert "Okafor, Amaka" in shown
    for value in ("78", "120/80", "16", "97", "36.8"):
        assert f"</span>{value}<span" in shown
    assert "mmHg" in shown
    assert re.search(r"data-age>\d+ s</time>", shown)


def test_a_second_look_comes_from_the_cache(amara: Client, visit: Visit) -> None:
    first, second = text(amara, board()), text(amara, board())

    assert 'id="bed427-updated" data-cell data-source="database"' in first
    assert 'id="bed427-updated" data-cell data-source="cache"' in second


def test_a_reading_older_than_five_minutes_is_bracketed_and_labelled(amara: Client, visit: Visit) -> None:
    other = factories.admit(factories.bed("bed428"))
    factories.observe(other, minutes_ago=6, hr=101)

    shown = text(amara, board())

    assert "<span data-stale>[</span>101<span data-stale>]</span>" in shown
    assert "<span data-stale hidden>[</span>78" in shown


def test_a_reading_nobody_has_verified_says_so(amara: Client, visit: Visit) -> None:
    factories.observe(visit, status="R", hr=80)

    assert "unverified" in text(amara, board())


def test_vitals_of_the_patient_before_are_never_shown(amara: Client, visit: Visit) -> None:
    text(amara, board())  # now the cache has them
    factories.discharge(visit)
    factories.admit(Bed.objects.get(key="bed427"), "Newman")

    shown = text(amara, board())

    assert "Newman" in shown
    assert "120/80" not in shown


def test_two_patients_in_one_bed_are_a_conflict(amara: Client, visit: Visit) -> None:
    factories.admit(visit.stays.get().bed, "Second", at=visit.stays.get().from_at)

    assert "Conflict:" in text(amara, board())
    assert "Conflict:" in text(amara, BED)


def test_the_board_shows_news2_with_its_word_and_arrow_and_when_the_next_set_is_due(
    amara: Client, visit: Visit
) -> None:
    factories.observe(visit, minutes_ago=130, status="F", **factories.WHOLE)
    factories.observe(visit, status="F", **(factories.WHOLE | {"rr": 26, "spo2": 91, "hr": 115}))

    shown = text(amara, board())

    assert '<span class="score">8</span> <span class="word">high</span>' in shown
    assert "up 8 since" in shown
    assert "continuous, <time" in shown


def test_a_patient_without_a_nurse_is_unassigned(amara: Client, visit: Visit) -> None:
    assert '<span class="unassigned">unassigned</span>' in text(amara, board())


def test_beds_may_be_asked_for_in_their_own_order(amara: Client, visit: Visit) -> None:
    factories.bed("bed100")

    shown = text(amara, f"{board()}?by=bed")

    assert shown.index('id="bed100"') < shown.index('id="bed427"')  # a free bed before a patient
    assert "cells/?by=bed" in shown  # and so do the polls


def test_a_free_bed_is_called_free(amara: Client) -> None:
    factories.bed()

    assert 'class="patient free">Free</td>' in text(amara, board())
    assert "No patient is recorded in this bed." in text(amara, BED)


def test_a_ward_without_beds_says_how_they_appear(amara: Client) -> None:
    assert "No beds have been reported" in text(amara, board())


def test_beds_are_in_the_order_of_their_numbers(amara: Client) -> None:
    for key in ("bed10", "bed9", "bed100"):
        factories.bed(key)

    shown = text(amara, board())

    assert shown.index('id="bed9"') < shown.index('id="bed10"') < shown.index('id="bed100"')


def test_the_handover_sheet_says_for_whom_and_as_of_when(amara: Client, visit: Visit) -> None:
    factories.observe(factories.admit(factories.bed("bed428"), "Haddad"), minutes_ago=9)
    factories.bed("bed429")

    shown = text(amara, reverse("hyperspace:handover", args=[Unit.objects.get(code="A").pk]))

    assert "For amara, as of" in shown
    assert "Bed 427 · Okafor, Amaka" in shown
    assert "<span data-stale>[</span>78<span data-stale>]</span>" in shown  # nine minutes old
    assert "No patient is recorded" not in shown
    assert "bed429-handover" not in shown
    assert views() == ["board.view", "board.print"]


def test_an_empty_unit_has_nothing_to_hand_over(amara: Client) -> None:
    factories.bed()

    assert "No patient is recorded in this unit." in text(amara, f"{board()}handover/")


def test_names_are_inert(amara: Client) -> None:
    factories.admit(factories.bed(), "<script>alert(1)</script>")

    assert "<script>alert" not in text(amara, board())
    assert "<script>alert" not in text(amara, BED)


def test_the_bed_page_shows_the_course_and_the_movements(amara: Client, visit: Visit) -> None:
    factories.observe(visit, minutes_ago=30, hr=64, temp=38.2)

    shown = text(amara, BED)

    assert "lowest 64, highest 78 /min" in shown
    assert shown.count("<polyline") == 6  # blood pressure has two
    assert "38.2" in shown
    assert "Admitted · bed 427" in shown


def test_the_trend_is_by_the_minute_and_names_whose_it_is(amara: Client, visit: Visit) -> None:
    factories.observe(visit, minutes_ago=30, hr=64)
    held = amara.get(f"{BED}cells/")["ETag"]

    answer = amara.get(f"{BED}trend/", headers={"If-None-Match": held}).json()

    assert answer["encounter"] == f"{visit.pk}-{visit.patient_id}"
    assert answer["series"]["hr"] == [64, 78]
    assert answer["series"]["sbp"] == [None, 120]
    assert views() == ["bed.view"]  # the page's own view goes on


def test_a_free_bed_has_no_trend(amara: Client) -> None:
    factories.bed()

    assert amara.get(f"{BED}trend/").json() == {"encounter": None, "series": {}}


def test_a_patient_without_readings_is_said_to_have_none(amara: Client) -> None:
    factories.admit(factories.bed())

    assert "Nothing has been measured in the last 24 hours." in text(amara, BED)
    assert "no readings" in text(amara, board())


def test_pages_have_no_inline_script_or_style(amara: Client, visit: Visit) -> None:
    for page in ("/hyperspace/", board(), BED, "/hyperspace/login/"):
        shown = text(amara, page)

        assert "<style" not in shown
        assert " style=" not in shown
        assert shown.count("<script") == shown.count("<script src=")


# What is recorded


def test_opening_a_board_is_recorded_with_whom_it_showed(amara: Client, visit: Visit) -> None:
    amara.get(board())

    event = AuditEvent.objects.get(code="board.view")
    assert (event.action, event.actor, event.object_type) == ("R", "amara", "unit")
    assert event.detail == {"patients": [visit.patient_id]}


def test_opening_a_bed_is_recorded_under_its_patient(amara: Client, visit: Visit) -> None:
    amara.get(BED)

    event = AuditEvent.objects.get(code="bed.view")
    assert (event.patient_id, event.object_type, event.object_id) == (
        visit.patient_id,
        "bed",
        str(visit.stays.get().bed_id),
    )


def test_what_was_not_found_is_not_recorded_as_seen(ben: Client, visit: Visit) -> None:
    ben.get(BED)
    ben.get(board())

    assert views() == []


def test_polls_of_an_open_page_are_the_same_view(amara: Client, visit: Visit) -> None:
    held = amara.get(board("-cells"))["ETag"]
    factories.observe(visit, hr=90)
    cache.clear()

    changed = amara.get(board("-cells"), headers={"If-None-Match": held})

    assert changed.status_code == 200
    assert views() == ["board.view"]


def test_a_poll_that_shows_another_patient_is_recorded(amara: Client, visit: Visit) -> None:
    held = amara.get(board("-cells"))["ETag"]
    factories.admit(factories.bed("bed428"), "Newman")
    factories.a_second_later()

    amara.get(board("-cells"), headers={"If-None-Match": held})

    assert views() == ["board.view", "board.view"]


@pytest.mark.parametrize("forged", ["", '"x"', '"aaaa.bbbb"', "*"])
def test_a_poll_without_a_page_behind_it_is_recorded(amara: Client, visit: Visit, forged: str) -> None:
    amara.get(reverse("hyperspace:bed-cells", args=["bed427"]), headers={"If-None-Match": forged})

    assert views() == ["bed.view"]


def test_another_sessions_tag_proves_nothing(amara: Client, visit: Visit) -> None:
    held = amara.get(board("-cells"))["ETag"]
    elsewhere = factories.signed_in(Client(), factories.person("ada", ward="A"))

    elsewhere.get(board("-cells"), headers={"If-None-Match": held})

    assert views() == ["board.view", "board.view"]


# What it costs


@pytest.mark.parametrize("beds", [1, 12])
def test_a_board_is_ten_queries_whatever_its_size(
    amara: Client, django_assert_num_queries: DjangoAssertNumQueries, beds: int
) -> None:
    for number in range(beds):
        factories.observe(factories.admit(factories.bed(f"bed{number}")))
    address = board()
    AuditEvent.objects.record("R", "bed.view", actor="amara")  # opens the stream of this thread

    # user, unit, beds, stays, nurses, vitals that missed, their course, audit row and its stream twice
    with django_assert_num_queries(10):
        amara.get(address)
    with django_assert_num_queries(8):
        amara.get(address)


@pytest.mark.parametrize("wards", [1, 5])
def test_the_units_page_is_two_queries(
    amara: Client, django_assert_num_queries: DjangoAssertNumQueries, wards: int
) -> None:
    for number in range(wards):
        factories.bed(f"bed{number}", factories.unit(f"W{number}", *Unit.objects.get(code="A").staff.all()))

    with django_assert_num_queries(2):  # user, units with their counts
        amara.get("/hyperspace/")


def test_a_poll_of_what_has_not_changed_is_304_without_a_query(
    amara: Client, visit: Visit, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    address = board("-cells")
    amara.get(address)
    held = amara.get(address)["ETag"]

    with django_assert_num_queries(0):
        response = amara.get(address, headers={"If-None-Match": f"W/{held}"})

    assert response.status_code == 304
    assert response.content == b""


def test_each_second_a_poll_looks_again_who_is_where_and_who_may_see_it(
    amara: Client, visit: Visit, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    address = board("-cells")
    held = amara.get(address)["ETag"]
    factories.a_second_later()

    with django_assert_num_queries(6):  # user and wards; units, beds, stays, nurses
        amara.get(address, headers={"If-None-Match": held})


def test_a_poll_renders_only_the_rows_that_changed(
    amara: Client, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.observe(factories.admit(factories.bed("bed428")))
    amara.get(board("-cells"))
    before = [row.bed.key for row in amara.get(board("-cells")).context["board"].rows]
    factories.observe(visit, hr=90)
    write_through([Bed.objects.get(key="bed427").pk])
    monkeypatch.setattr(fragments, "new_row_html", lambda row, _: f"<tr><td>new: {row.bed.key}</td></tr>")

    answer = amara.get(board("-cells")).content.decode()

    assert before == ["bed427", "bed428"]
    assert re.findall(r"new: (\w+)", answer) == ["bed427"]


def test_new_readings_of_a_row_need_no_template(amara: Client, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    amara.get(board("-cells"))
    factories.observe(visit, hr=91)
    write_through([Bed.objects.get(key="bed427").pk])
    monkeypatch.setattr(fragments, "render_to_string", lambda *_: pytest.fail("rendered"))

    assert ">91<" in text(amara, board("-cells"))


def test_a_poll_of_a_bed_does_not_read_the_history_again(
    amara: Client, visit: Visit, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    factories.within_a_minute()
    amara.get(BED)
    held = amara.get(f"{BED}cells/")["ETag"]

    with django_assert_num_queries(0):
        response = amara.get(f"{BED}cells/", headers={"If-None-Match": held})

    assert response.status_code == 304
