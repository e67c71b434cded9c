"""Sessions of others: ended, rewritten, limited, locked, and each end on record once."""

import threading

import pytest
from django.contrib.admin.utils import quote
from django.core.management import call_command
from django.db import connections
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from audit.models import AuditEvent
from epicops import keys
from epicops.redis_client import sessions_client
from sessions_app import registry
from sessions_app.ids import handle
from sessions_app.live import follow
from sessions_app.models import SessionRecord, User
from sessions_app.trust import trust
from tests import factories
from tests.factories import session_id

pytestmark = pytest.mark.django_db

UNITS = "/hyperspace/"
OnCommit = DjangoCaptureOnCommitCallbacks


def sign_in(user: str = "amara") -> Client:
    client = Client()
    client.post("/hyperspace/login/", {"username": user, "password": factories.PASSWORD})
    return client


def ends() -> list[str]:
    return [event.detail["reason"] for event in AuditEvent.objects.filter(code="session.end").order_by("pk")]


def rest(client: Client, seconds: int) -> None:
    """Let the session have been unused for so long, in both stores."""
    key = keys.session(session_id(client))
    sessions_client().hincrby(key, "seen", -seconds * 1000)
    with connections["sessions"].cursor() as cursor:
        moved = "UPDATE sessions_app_sessionrecord SET last_activity = last_activity - %s * interval '1 second'"
        cursor.execute(moved, [seconds])


def test_a_change_of_role_is_what_the_next_request_and_redis_see(django_capture_on_commit_callbacks: OnCommit) -> None:
    user = factories.amara()
    client = factories.signed_in(Client(), user)
    user.role = User.Role.CHARGE_NURSE
    user.save()

    with django_capture_on_commit_callbacks(execute=True):
        follow(user, actor="root")

    assert sessions_client().hget(keys.session(session_id(client)), "role") == b"charge_nurse"
    assert client.get(UNITS).status_code == 200
    assert client.session["role"] == "charge_nurse"


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "operator"}])
def test_who_may_no_longer_come_in_is_out_at_once(
    change: dict[str, object], django_capture_on_commit_callbacks: OnCommit
) -> None:
    user = factories.amara()
    client = factories.signed_in(Client(), user)
    User.objects.filter(pk=user.pk).update(**change)
    user.refresh_from_db()

    with django_capture_on_commit_callbacks(execute=True):
        follow(user, actor="root")

    assert not sessions_client().exists(keys.session(session_id(client)))
    assert len(ends()) == 1


def test_the_admin_form_of_a_user_reaches_the_sessions(
    client: Client, django_capture_on_commit_callbacks: OnCommit
) -> None:
    amara = factories.amara()
    theirs = factories.signed_in(Client(), amara)
    client.force_login(User.objects.create_superuser("root", password=factories.PASSWORD))
    address = f"/admin/sessions_app/user/{amara.pk}/change/"
    form = client.get(address).context["adminform"].form
    fields = {name: value for name in form.fields if (value := form[name].value()) and isinstance(value, str)}
    dates = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}

    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(address, {**fields, **dates})  # is_active is not ticked

    assert response.status_code == 302
    assert not sessions_client().exists(keys.session(session_id(theirs)))


def test_the_fourth_session_ends_the_first(django_capture_on_commit_callbacks: OnCommit) -> None:
    factories.amara()
    with django_capture_on_commit_callbacks(execute=True):
        clients = [sign_in() for _ in range(4)]

    assert [client.get(UNITS).status_code for client in clients] == [302, 200, 200, 200]
    assert ends() == ["limit"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_refused", [False, True])
def test_six_logins_at_once_leave_three(settings: object, is_refused: bool) -> None:  # noqa: FBT001
    settings.SESSION_LIMIT_REFUSES = is_refused  # type: ignore[attr-defined]
    factories.amara()

    def enter() -> None:
        sign_in()
        connections.close_all()

    threads = [threading.Thread(target=enter) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert SessionRecord.objects.filter(portal="Hyperspace", ended_at=None).count() == 3


def test_ending_a_session_from_the_console_ends_it_in_redis(
    client: Client, django_capture_on_commit_callbacks: OnCommit
) -> None:
    theirs = factories.signed_in(Client(), factories.amara())
    client.force_login(User.objects.create_superuser("root", password=factories.PASSWORD))
    record = SessionRecord.objects.get(portal="Hyperspace")
    form = {"action": "end_selected", "_selected_action": record.pk}

    with django_capture_on_commit_callbacks(execute=True):
        client.post("/admin/sessions_app/sessionrecord/", form)

    assert theirs.get(UNITS).status_code == 302
    assert ends() == ["admin"]


def test_everybodys_sessions_end_only_when_the_words_are_typed(
    client: Client, django_capture_on_commit_callbacks: OnCommit
) -> None:
    theirs = factories.signed_in(Client(), factories.amara())
    client.force_login(User.objects.create_superuser("root", password=factories.PASSWORD))
    address = "/admin/sessions_app/sessionrecord/end-all/"
    client.post(address, {"username": "amara", "confirmation": "yes"})
    assert theirs.get(UNITS).status_code == 200

    with django_capture_on_commit_callbacks(execute=True):
        client.post(address, {"username": "amara", "confirmation": "end all sessions"})

    assert theirs.get(UNITS).status_code == 302
    assert client.get("/admin/").status_code == 200


def test_the_list_shows_handles_and_no_ids(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        theirs = factories.signed_in(Client(), User.objects.filter(username="amara").first() or factories.amara())
    client.force_login(User.objects.create_superuser("root", password=factories.PASSWORD))

    with django_assert_max_num_queries(8):
        page = client.get("/admin/sessions_app/sessionrecord/").content.decode()

    record = SessionRecord.objects.filter(portal="Hyperspace").latest("started_at")
    assert record.handle in page
    assert "amara" in page
    assert session_id(theirs) not in page
    assert session_id(client) not in page


@pytest.mark.parametrize(("chosen", "number"), [({}, 3), ({"portal": "Hyperspace"}, 2)])
def test_the_list_says_how_many_it_has(client: Client, chosen: dict[str, str], number: int) -> None:
    for name in ("amara", "ben", "cleo"):
        theirs = factories.signed_in(Client(), factories.person(name))
    theirs.session.flush()
    factories.signed_in(client, User.objects.create_superuser("root"), "Operations")

    assert client.get("/admin/sessions_app/sessionrecord/", chosen).context["cl"].result_count == number


@pytest.mark.parametrize("pk", ["ab12", "a/b 1"])
def test_each_row_of_the_list_leads_to_its_page(client: Client, pk: str) -> None:
    factories.signed_in(client, User.objects.create_superuser("root"), "Operations")
    SessionRecord.objects.filter(portal="Operations").update(key_hash=pk)

    page = client.get("/admin/sessions_app/sessionrecord/", {"portal": "Operations"}).content.decode()

    assert f'<a href="{reverse("admin:sessions_app_sessionrecord_change", args=[quote(pk)])}?' in page


def test_an_operator_without_the_permission_ends_nothing(client: Client) -> None:
    factories.signed_in(Client(), factories.amara())
    client.force_login(factories.olu())

    assert client.get("/admin/sessions_app/sessionrecord/").status_code == 403
    client.post("/admin/sessions_app/sessionrecord/end-all/", {"confirmation": "end all sessions"})

    assert not SessionRecord.objects.filter(end_reason="admin").exists()


@pytest.mark.django_db(transaction=True)
def test_a_session_that_ran_out_is_recorded_once_with_its_reason() -> None:
    idle, late = (factories.signed_in(Client(), factories.person(name)) for name in ("amara", "ben"))
    factories.signed_in(Client(), factories.person("carol"))
    rows = SessionRecord.objects.order_by("user_id")
    SessionRecord.objects.filter(pk=rows[0].pk).update(last_activity="2020-01-01T00:00:00Z")
    SessionRecord.objects.filter(pk=rows[1].pk).update(deadline="2020-01-01T00:00:00Z")
    sessions_client().delete(keys.session(session_id(idle)), keys.session(session_id(late)))

    call_command("sweep_sessions", "--once")
    call_command("sweep_sessions", "--once")

    assert sorted(ends()) == ["absolute", "idle"]


@pytest.mark.django_db(transaction=True)
def test_a_session_that_redis_saw_in_use_goes_on() -> None:
    client = factories.signed_in(Client(), factories.amara())
    SessionRecord.objects.update(last_activity="2020-01-01T00:00:00Z")

    call_command("sweep_sessions", "--once")

    assert ends() == []
    assert client.get(UNITS).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_hash_that_would_never_expire_is_ended() -> None:
    client = factories.signed_in(Client(), factories.amara())
    sessions_client().persist(keys.session(session_id(client)))

    call_command("sweep_sessions", "--once")

    assert ends() == ["store"]
    assert client.get(UNITS).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_a_hash_left_behind_by_a_crash_is_deleted() -> None:
    client = factories.signed_in(Client(), factories.amara())
    registry.end(session_id(client), "admin")  # and the process dies before it reaches Redis

    call_command("sweep_sessions", "--once")

    assert not sessions_client().exists(keys.session(session_id(client)))


def test_an_unused_workstation_locks_and_the_password_opens_it() -> None:
    factories.amara()
    client = sign_in()
    rest(client, 901)
    before = session_id(client)

    locked = client.get(UNITS)
    wrong = client.post("/hyperspace/unlock/", {"password": "wrong", "next": UNITS})
    still = client.get(UNITS)
    opened = client.post("/hyperspace/unlock/", {"password": factories.PASSWORD, "next": UNITS})

    assert locked["Location"] == "/hyperspace/unlock/?next=/hyperspace/"
    assert (wrong.status_code, still.status_code) == (200, 302)
    assert opened["Location"] == UNITS
    assert session_id(client) != before
    assert client.get(UNITS).status_code == 200


def test_a_locked_session_is_not_prolonged_and_ends_by_its_idle_limit() -> None:
    client = factories.signed_in(Client(), factories.amara())
    rest(client, 901)
    for _ in range(2):
        client.get(UNITS)

    assert int(client.get(UNITS)["Session-Seconds-Left"]) < 900


def test_a_poll_of_a_locked_board_takes_the_patients_down() -> None:
    client = factories.signed_in(Client(), factories.amara())
    rest(client, 901)
    client.get(UNITS)

    assert client.get(f"/hyperspace/units/{factories.unit('A').pk}/cells/").status_code == 423


@pytest.mark.parametrize("is_redis_there", [True, False])
def test_a_board_that_polls_by_itself_locks_all_the_same(is_redis_there: bool) -> None:  # noqa: FBT001
    client = factories.signed_in(Client(), factories.amara())
    rest(client, 901)
    if not is_redis_there:
        trust.fall_back(ConnectionError())

    assert client.get(f"/hyperspace/units/{factories.unit('A').pk}/cells/").status_code == 423


def test_the_console_counts_live_sessions_and_filters_by_rest(client: Client) -> None:
    rest(factories.signed_in(Client(), factories.person("rested")), 400)
    factories.signed_in(Client(), factories.person("busy"))
    client.force_login(User.objects.create_superuser("root", password=factories.PASSWORD))

    everybody = client.get("/admin/sessions_app/sessionrecord/").content.decode()
    unused = client.get("/admin/sessions_app/sessionrecord/?idle=15").content.decode()

    assert "<strong>2</strong> Hyperspace" in everybody
    assert "nurse (2)" in everybody
    assert ">Live</a>" in everybody
    assert ">rested</td>" in unused
    assert ">busy</td>" not in unused


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_nobody_was_there_to_see_is_on_record_once() -> None:
    client = factories.signed_in(Client(), factories.amara())
    factories.signed_in(Client(), factories.ben())
    rest(client, 901)
    SessionRecord.objects.filter(user_id=User.objects.get(username="ben").pk).update(last_activity=Now())

    for _ in range(2):
        call_command("sweep_sessions", "--once")

    event = AuditEvent.objects.get(code="session.lock")
    assert (event.object_id, event.detail) == (handle(session_id(client)), {"how": "idle"})
    assert client.get(UNITS).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_a_new_password_ends_the_other_sessions_at_once_and_this_one_goes_on(client: Client) -> None:
    root = User.objects.create_superuser("root", password=factories.PASSWORD)
    elsewhere = factories.signed_in(Client(), root)
    client.force_login(root)
    new = {"new_password1": "staple battery correct horse", "new_password2": "staple battery correct horse"}

    response = client.post("/admin/password_change/", {"old_password": factories.PASSWORD, **new})

    assert response.status_code == 302
    assert not sessions_client().exists(keys.session(session_id(elsewhere)))
    assert "password" in ends()
    assert client.get("/admin/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_who_is_left_without_a_password_is_out_at_once(client: Client) -> None:
    amara = factories.amara()
    theirs = factories.signed_in(Client(), amara)
    client.force_login(User.objects.create_superuser("root", password=factories.PASSWORD))

    client.post(f"/admin/sessions_app/user/{amara.pk}/password/", {"usable_password": "false", "unset-password": "yes"})

    assert not User.objects.get(pk=amara.pk).has_usable_password()
    assert not sessions_client().exists(keys.session(session_id(theirs)))
    assert ends() == ["password"]


def test_a_search_for_a_handle_says_why_that_session_ended(client: Client) -> None:
    ended = factories.signed_in(Client(), factories.amara())
    named = handle(session_id(ended))
    ended.post("/hyperspace/logout/")
    client.force_login(User.objects.create_superuser("root", password=factories.PASSWORD))

    live = client.get("/admin/sessions_app/sessionrecord/").content.decode()
    found = client.get(f"/admin/sessions_app/sessionrecord/?q={named}").content.decode()

    assert named not in live
    assert named in found
    assert "signed out" in found
