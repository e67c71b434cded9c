"""Somebody writes into a session's hash by hand: it gives them nothing, disturbs nobody else, and is on record."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from django.utils.timezone import now

from audit.models import AuditEvent
from epicops import keys
from epicops.clock import timestamp
from epicops.redis_client import sessions_client
from sessions_app.backend import SessionStore
from sessions_app.held import CLEAR
from sessions_app.ids import key_hash
from sessions_app.models import BreakGlass, SessionRecord
from sessions_app.registry import ALIAS
from sessions_app.sweeper import sweep
from sessions_app.trust import trust
from tests import factories
from tests.factories import session_id
from tests.registered import in_registry

pytestmark = pytest.mark.django_db(transaction=True)

UNITS = "/hyperspace/"
IDLE = 1800  # seconds
NUMBERS = ("ver", "deadline", "idle", "lock", "seen", "checkpoint")


@pytest.fixture
def nurse(client: Client) -> Client:
    factories.amara()
    client.post("/hyperspace/login/", {"username": "amara", "password": factories.PASSWORD})
    return client


def key(client: Client) -> str:
    return keys.session(session_id(client))


def write(client: Client, **fields: str | bytes) -> None:
    for field, value in fields.items():
        sessions_client().hset(key(client), field, value)


def stored(client: Client, field: str) -> bytes:
    value = sessions_client().hget(key(client), field)
    assert isinstance(value, bytes)
    return value


def some_time_later(seconds: int = 20) -> None:
    """Let what PostgreSQL was last asked about everybody be so long ago."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(
            "UPDATE sessions_app_storestate SET distrusted_at = distrusted_at - make_interval(secs => %s)", [seconds]
        )
    trust._read()


@pytest.mark.parametrize(
    ("field", "value"),
    [*((name, "x") for name in NUMBERS), ("ver", "1e300"), ("seen", "99999999999999"), ("idle", b"\xff")],
)
def test_a_number_that_is_none_is_asked_of_postgresql(nurse: Client, field: str, value: str) -> None:
    write(nurse, **{field: value})
    sweep()

    assert nurse.get("/session/left/").status_code == 204
    assert nurse.get(UNITS).status_code == 200
    assert nurse.get(UNITS).headers["Session-Seconds-Left"] == str(IDLE)
    assert sessions_client().hget(key(nurse), field).isdigit()  # type: ignore[union-attr]  # it is there
    assert trust.state.mode == "redis", "nobody else notices"


def test_no_field_lets_a_session_rest_longer_than_half_an_hour(nurse: Client) -> None:
    write(nurse, idle="999999999")

    nurse.get(UNITS)

    assert sessions_client().ttl(key(nurse)) <= IDLE


def test_the_sweeper_cuts_what_nobody_uses(nurse: Client) -> None:
    write(nurse, idle="999999999")
    sessions_client().expire(key(nurse), 999_999)

    sweep()

    assert sessions_client().ttl(key(nurse)) <= IDLE


@pytest.mark.parametrize("portal", ["Hyperspace", "MyChart"])
def test_a_role_written_into_the_hash_is_none(nurse: Client, portal: str) -> None:
    write(nurse, role="charge_nurse", portal=portal)

    assert nurse.get(f"{UNITS}units/{factories.unit().pk}/nurses/").status_code == 403
    assert nurse.get(UNITS).status_code == 200
    assert sessions_client().hmget(key(nurse), "role", "portal") == [b"nurse", b"Hyperspace"]
    assert AuditEvent.objects.filter(code="session.altered").count() == 1


@pytest.mark.parametrize("reference", ["", "999"])
def test_emergency_access_written_into_the_hash_opens_nothing(nurse: Client, reference: str) -> None:
    write(nurse, bg_until=timestamp(now() + timedelta(hours=1)), bg_ref=reference)

    assert nurse.get(UNITS).status_code == 200
    assert not sessions_client().hget(key(nurse), "bg_until")
    assert not BreakGlass.objects.exists()


def test_an_emergency_access_that_was_closed_is_not_opened_again_by_its_own_fields(nurse: Client) -> None:
    given = {"reason": "treatment", "explanation": "", "password": factories.PASSWORD}
    nurse.post("/hyperspace/break-glass/", given)
    until, reference = stored(nurse, "bg_until"), stored(nurse, "bg_ref")
    nurse.post("/hyperspace/break-glass/close/")

    write(nurse, bg_until=until, bg_ref=reference)

    assert nurse.get(UNITS).status_code == 200
    assert not stored(nurse, "bg_until")


@pytest.mark.parametrize("value", [b"\xff\xfe", b"3 o'clock"])
def test_what_is_no_time_or_no_text_is_no_error(nurse: Client, value: bytes) -> None:
    write(nurse, bg_until=value, department=value)

    assert nurse.get(UNITS).status_code == 200


@pytest.fixture
def charge() -> Client:
    factories.person("carla", "charge_nurse", ward="A")
    client = Client()
    client.post("/hyperspace/login/", {"username": "carla", "password": factories.PASSWORD})
    return client


def test_anothers_signed_data_make_nobody_another(nurse: Client, charge: Client) -> None:
    write(nurse, data=stored(charge, "data"))

    assert nurse.get(UNITS).context["user"].get_username() == "amara"
    assert stored(nurse, "data") != stored(charge, "data")
    assert AuditEvent.objects.filter(code="session.altered").count() == 1


def test_a_session_copied_to_a_new_id_is_none(nurse: Client, charge: Client) -> None:
    nurse.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    sessions_client().copy(key(charge), key(nurse))

    assert nurse.get(UNITS).status_code == 302


def test_anothers_data_are_not_merged_into_what_is_saved(nurse: Client, charge: Client) -> None:
    session = SessionStore(session_id(nurse))
    session["colour"], mine = "green", session["_auth_user_id"]
    in_registry("ver = ver + 1")
    write(nurse, data=stored(charge, "data"), ver=str(int(stored(nurse, "ver")) + 1))

    session.save()

    assert SessionStore(session_id(nurse))["_auth_user_id"] == mine


def test_a_session_that_was_signed_before_data_named_it_goes_on_and_is_signed_anew(nurse: Client) -> None:
    session = SessionStore(session_id(nurse))
    data = session.encode({name: value for name, value in session.items() if name not in CLEAR})
    SessionRecord.objects.filter(pk=key_hash(session_id(nurse))).update(data=data)
    write(nurse, data=data)

    assert nurse.get("/session/left/").status_code == 204
    assert stored(nurse, "data") != data.encode()
    assert nurse.get(UNITS).status_code == 200
    assert not AuditEvent.objects.filter(code="session.altered").exists()


def test_a_hash_deleted_by_hand_ends_its_session_although_others_are_looked_up(nurse: Client) -> None:
    trust.distrust()
    some_time_later()
    nurse.get(UNITS)  # used since
    sessions_client().delete(key(nurse))

    assert nurse.get(UNITS).status_code == 302


def test_one_that_was_not_used_since_is_looked_up(nurse: Client) -> None:
    in_registry("last_activity = last_activity - interval '1 minute'")
    trust.distrust()
    some_time_later()
    sessions_client().delete(key(nurse))

    assert nurse.get(UNITS).status_code == 200
