"""Every address of the console for every role that the migrations create."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import get_resolver, reverse

from interconnect.models import (
    DeadLetter,
    Discard,
    FailureGroup,
    Feed,
    Pause,
    QueueRun,
    Redrive,
    RefusedFrame,
    Repair,
    Revision,
)
from interconnect.wire.refused import Refusal, RefusalLog
from tests import factories
from tests.builders import adt
from tests.interconnect.test_admin import deliver
from tests.operators import staff
from vitals.models import Bed

pytestmark = pytest.mark.django_db

ROLES = ("viewer", "operator", "supervisor", "auditor")
EVERYBODY, ACTORS, SUPERVISOR = set(ROLES), {"operator", "supervisor"}, {"supervisor"}
WITH_AUDIT = {"supervisor", "auditor"}

MODELS = (
    "failuregroup",
    "deadletter",
    "discard",
    "redrive",
    "pause",
    "queuerun",
    "repair",
    "timeline",
    "feed",
    "refusedframe",
    "batch",
)
ADDRESSES = {
    ("GET", "failuregroup_changelist"): EVERYBODY,
    ("GET", "failuregroup_change"): EVERYBODY,
    ("GET", "failuregroup_add"): set[str](),
    ("GET", "failuregroup_delete"): set[str](),
    ("GET", "failuregroup_history"): EVERYBODY,
    ("POST", "failuregroup_triage"): ACTORS,
    ("POST", "failuregroup_replay"): ACTORS,
    ("POST", "failuregroup_discard"): ACTORS,
    ("POST", "failuregroup_redrive"): SUPERVISOR,
    ("GET", "deadletter_changelist"): EVERYBODY,
    ("GET", "deadletter_change"): EVERYBODY,
    ("GET", "deadletter_add"): set[str](),
    ("GET", "deadletter_delete"): set[str](),
    ("GET", "deadletter_history"): EVERYBODY,
    ("POST", "deadletter_replay"): ACTORS,
    ("POST", "deadletter_search"): EVERYBODY,
    ("GET", "deadletter_search"): EVERYBODY,
    ("GET", "deadletter_follow"): EVERYBODY,
    ("GET", "deadletter_edit"): ACTORS,
    ("POST", "deadletter_discard"): ACTORS,
    ("POST", "deadletter_decide"): ACTORS,
    ("GET", "discard_changelist"): EVERYBODY,
    ("GET", "discard_change"): EVERYBODY,
    ("GET", "discard_add"): set[str](),
    ("GET", "discard_delete"): set[str](),
    ("GET", "discard_history"): EVERYBODY,
    ("POST", "discard_restore"): SUPERVISOR,
    ("POST", "discard_decide"): ACTORS,
    ("GET", "batch_changelist"): EVERYBODY,
    ("GET", "batch_change"): EVERYBODY,
    ("GET", "batch_add"): set[str](),
    ("GET", "batch_delete"): set[str](),
    ("GET", "batch_history"): EVERYBODY,
    ("GET", "batch_flow"): EVERYBODY,
    ("POST", "batch_order"): ACTORS,
    ("GET", "redrive_changelist"): EVERYBODY,
    ("GET", "redrive_change"): EVERYBODY,
    ("GET", "redrive_progress"): EVERYBODY,
    ("GET", "redrive_report"): EVERYBODY,
    ("POST", "redrive_turn"): SUPERVISOR,
    ("GET", "redrive_add"): set[str](),
    ("GET", "redrive_delete"): set[str](),
    ("GET", "redrive_history"): EVERYBODY,
    ("GET", "repair_changelist"): ACTORS,
    ("GET", "repair_change"): ACTORS,
    ("POST", "repair_apply"): SUPERVISOR,
    ("GET", "repair_add"): set[str](),
    ("GET", "repair_delete"): set[str](),
    ("GET", "repair_history"): ACTORS,
    ("GET", "pause_changelist"): EVERYBODY,
    ("GET", "pause_change"): EVERYBODY,
    ("GET", "pause_add"): ACTORS,
    ("GET", "pause_delete"): set[str](),
    ("GET", "pause_history"): EVERYBODY,
    ("POST", "pause_hold"): ACTORS,
    ("POST", "pause_release"): ACTORS,
    ("GET", "queuerun_changelist"): EVERYBODY,
    ("GET", "queuerun_change"): EVERYBODY,
    ("GET", "queuerun_add"): set[str](),
    ("GET", "queuerun_delete"): set[str](),
    ("GET", "queuerun_history"): EVERYBODY,
    ("GET", "inboundmessage_changelist"): ACTORS,
    ("GET", "inboundmessage_change"): ACTORS,
    ("POST", "inboundmessage_search"): ACTORS,
    ("GET", "inboundmessage_search"): ACTORS,
    ("GET", "inboundmessage_follow"): ACTORS,
    ("GET", "inboundmessage_compare"): ACTORS,
    ("GET", "inboundmessage_add"): set[str](),
    ("GET", "inboundmessage_delete"): set[str](),
    ("GET", "inboundmessage_history"): ACTORS,
    ("GET", "feed_changelist"): EVERYBODY,
    ("GET", "feed_change"): EVERYBODY,
    ("POST", "feed_dismiss"): ACTORS,
    ("GET", "feed_add"): set[str](),
    ("GET", "feed_delete"): set[str](),
    ("GET", "feed_history"): EVERYBODY,
    ("GET", "refusedframe_changelist"): ACTORS,
    ("GET", "refusedframe_change"): ACTORS,
    ("GET", "refusedframe_add"): set[str](),
    ("GET", "refusedframe_delete"): set[str](),
    ("GET", "refusedframe_history"): ACTORS,
    ("GET", "timeline_find"): ACTORS,
    ("GET", "timeline"): ACTORS,
}


def in_role(role: str) -> Client:
    person = staff(role)
    person.groups.add(Group.objects.get(name=f"Interconnect {role}"))
    client = Client()
    client.force_login(person)
    return client


def address(name: str) -> str:
    letter = DeadLetter.objects.get()
    pks: dict[str, object] = {"batch": letter.message.batch_id}
    pks |= {"failuregroup": letter.group_id, "deadletter": letter.pk, "inboundmessage": letter.message_id}
    pks |= {"discard": Discard.objects.get().pk, "redrive": Redrive.objects.get().pk, "pause": Pause.objects.get().pk}
    pks |= {"feed": Feed.objects.latest("messages").pk, "refusedframe": RefusedFrame.objects.get().pk}
    pks |= {"repair": Repair.objects.get().pk, "queuerun": QueueRun.objects.get().pk}
    if name == "timeline":
        return reverse("admin:interconnect_timeline", args=["bed", Bed.objects.get().pk])
    if name == "inboundmessage_compare":
        return reverse(f"admin:interconnect_{name}", args=[letter.message_id, letter.message_id])
    if name == "pause_hold":
        return reverse("admin:interconnect_pause_hold", args=[letter.message_id])
    has_row = not name.endswith(("_changelist", "_add", "_search", "_follow", "_find", "_flow", "_order"))
    return reverse(f"admin:interconnect_{name}", args=[pks[name.partition("_")[0]]] if has_row else [])


@pytest.fixture
def _a_failure() -> None:
    furnish(adt("A01", bed=""))


def furnish(raw: bytes, edited: bytes = b"") -> None:
    """Make one row of everything that has an address; the message fails."""
    deliver(raw)
    factories.bed()
    someone = staff("someone")
    Revision.objects.create(message=DeadLetter.objects.get().message, raw=edited, reason="test", edited_by=someone)
    Discard.objects.create(reason="test", text="-", count=0, discarded_by=someone)
    Redrive.objects.create(started_by=someone)
    Pause.objects.create(reason="test", paused_by=someone)
    refusals = RefusalLog()
    refusals.add(Refusal("prose", len(raw), raw), "10.0.0.9")
    refusals.flush()
    Repair.objects.create(name="test", group=FailureGroup.objects.get(), steps_made=[], made_by=someone)
    QueueRun.objects.create(run_id="a", replication_id="b", offset=0, last_message=0, backlog=0, unchecked=0)


@pytest.mark.usefixtures("_a_failure")
@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_its_addresses_and_no_others(role: str) -> None:
    client = in_role(role)
    statuses = {(method, name): client.generic(method, address(name)).status_code for method, name in ADDRESSES}

    wrong = {
        where: status for where, status in statuses.items() if (status in (200, 302)) is not (role in ADDRESSES[where])
    }

    assert wrong == {}


def test_every_address_of_the_console_is_in_the_table() -> None:
    names = {name for name in get_resolver().reverse_dict if isinstance(name, str)}
    nested = {
        str(name)
        for pattern in get_resolver().url_patterns
        for name in getattr(pattern, "reverse_dict", {})
        if isinstance(name, str)
    }
    console = {
        name.removeprefix("interconnect_")
        for name in names | nested
        if name.startswith(tuple(f"interconnect_{model}" for model in MODELS))
    }

    assert console == {name for _, name in ADDRESSES if not name.startswith("inbound")}


@pytest.mark.usefixtures("_a_failure")
def test_nobody_acts_by_following_a_link() -> None:
    supervisor = in_role("supervisor")

    acts = {name for method, name in ADDRESSES if method == "POST" and ("GET", name) not in ADDRESSES}
    statuses = {name: supervisor.get(address(name)).status_code for name in acts}

    assert set(statuses.values()) == {405}


def test_the_groups_are_there_after_migrating() -> None:
    assert FailureGroup.objects.count() == 0
    assert set(Group.objects.filter(name__startswith="Interconnect").values_list("name", flat=True)) == {
        f"Interconnect {role}" for role in ROLES
    }
