"""Emergency access: opened with reason and password, seen by the role check, closed by itself, on record twice."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db.models import F
from django.test import Client

from audit.models import AuditEvent
from epicops import keys
from epicops.redis_client import sessions_client
from sessions_app.models import BreakGlass, SessionRecord, User
from tests import factories
from tests.factories import session_id

pytestmark = pytest.mark.django_db(transaction=True)

OPEN, CLOSE, UNITS = "/hyperspace/break-glass/", "/hyperspace/break-glass/close/", "/hyperspace/"
TREATMENT = {"reason": "treatment", "password": factories.PASSWORD}
BANNER = b"every ward is open to you"


@pytest.fixture
def nurse(client: Client) -> Client:
    return factories.signed_in(client, factories.amara())


def state(client: Client) -> list[object]:
    session = keys.session(session_id(client))
    return list(sessions_client().hmget(session, "role", "bg_until", "bg_ref"))


def events() -> list[tuple[str, str]]:
    found = AuditEvent.objects.filter(code__startswith="break_glass").order_by("pk")
    return [(event.code, event.detail.get("how", "")) for event in found]


def test_reason_and_password_open_it_in_the_session_under_a_new_id(nurse: Client) -> None:
    before = session_id(nurse)

    response = nurse.post(OPEN, TREATMENT | {"next": "/hyperspace/units/7/"})

    assert response.headers["Location"] == "/hyperspace/units/7/"
    role, until, reference = state(nurse)
    assert (role, reference) == (b"nurse", str(BreakGlass.objects.get().pk).encode())
    assert str(until).endswith("Z'")
    assert session_id(nurse) != before
    assert BANNER in nurse.get(UNITS).content
    assert events() == [("break_glass.open", "")]


@pytest.mark.parametrize(
    "wrong", [{"password": "wrong"}, {"reason": "curiosity"}, {"reason": "other"}, {"password": ""}]
)
def test_it_stays_closed_without_reason_and_password(nurse: Client, wrong: dict[str, str]) -> None:
    assert nurse.post(OPEN, TREATMENT | wrong).status_code == 200

    assert not BreakGlass.objects.exists()
    assert not state(nurse)[1]
    assert events() == ([("break_glass.refused", "")] if wrong == {"password": "wrong"} else [])


def test_its_holder_closes_it(nurse: Client) -> None:
    nurse.post(OPEN, TREATMENT)

    nurse.post(CLOSE)

    assert BANNER not in nurse.get(UNITS).content
    assert state(nurse)[1:] == [b"", b""]
    assert events()[1:] == [("break_glass.close", "owner")]


def test_it_closes_by_itself_and_goes_on_record_once(nurse: Client, settings: object) -> None:
    settings.SESSION_BREAK_GLASS = -1  # type: ignore[attr-defined]  # its time was up at once
    nurse.post(OPEN, TREATMENT)
    closed = BANNER not in nurse.get(UNITS).content
    for _ in range(2):
        call_command("sweep_sessions", "--once")

    assert closed
    assert events()[1:] == [("break_glass.close", "expired")]


def test_it_closes_with_the_session(nurse: Client, settings: object) -> None:
    nurse.post(OPEN, TREATMENT)
    nurse.post("/hyperspace/logout/")
    BreakGlass.objects.update(opened_at=F("opened_at") - timedelta(minutes=2))

    call_command("sweep_sessions", "--once")

    assert events()[1:] == [("break_glass.close", "session")]


def test_an_open_one_is_left_alone_by_the_sweeper(nurse: Client) -> None:
    nurse.post(OPEN, TREATMENT)
    BreakGlass.objects.update(opened_at=F("opened_at") - timedelta(minutes=2))

    call_command("sweep_sessions", "--once")

    assert len(events()) == 1
    assert BANNER in nurse.get(UNITS).content


def test_it_survives_the_loss_of_redis(nurse: Client) -> None:
    nurse.post(OPEN, TREATMENT)
    sessions_client().flushall()

    assert BANNER in nurse.get(UNITS).content


def test_the_console_lists_and_closes_it(nurse: Client) -> None:
    nurse.post(OPEN, TREATMENT)
    admin = Client()
    admin.force_login(User.objects.create_superuser("root", password=factories.PASSWORD))
    address = "/admin/sessions_app/breakglass/"

    listed = admin.get(address).content
    admin.post(address, {"action": "close_selected", "_selected_action": [BreakGlass.objects.get().pk]})

    assert b"amara" in listed
    assert events()[1:] == [("break_glass.close", "admin")]
    assert BANNER not in nurse.get(UNITS).content
    assert not SessionRecord.objects.exclude(bg_ref="").filter(ended_at=None).exists()


def test_other_entrances_have_none(client: Client) -> None:
    factories.signed_in(client, factories.person("pat", User.Role.PATIENT), portal="MyChart")

    assert client.post(OPEN, TREATMENT).status_code == 403
