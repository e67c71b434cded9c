"""The Redis pages: what a server says of itself, and one key at a time, its value for those who may see it only."""

import json
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse
from django_redis import get_redis_connection

from audit.models import AuditEvent
from epicops import keys
from epicops.crypto import is_sealed
from epicops.redis_client import Redis, queue_client, sessions_client
from monitoring.key_inspector import read
from monitoring.redis_servers import OTHER, families, family_of, slow_log
from tests.builders import adt, push
from tests.operators import staff
from tests.sealing import RING
from vitals import fence

pytestmark = pytest.mark.django_db

NAME = keys.vitals("bed427")
DOCUMENT = '{"hr":78,"at":{"hr":1767135600},"encounter":17}'
SESSION = keys.session("a" * 32)
EVERYTHING = ("view_redis", "view_redis_value", "change_redis_value")


@pytest.fixture
def supervisor(client: Client) -> Client:
    client.force_login(staff("sue", *EVERYTHING))
    return client


@pytest.fixture(autouse=True)
def _cached() -> None:
    get_redis_connection("default").set(NAME, DOCUMENT, ex=60)


def shown(client: Client, name: str = NAME, role: str = "cache") -> str:
    return client.post(reverse("redis_key", args=[role]), {"name": name}).content.decode()


def replace(client: Client, value: str, sha1: str = "") -> str:
    seen = client.post(reverse("redis_key", args=["cache"]), {"name": NAME}).context["key"]
    form = {"name": NAME, "value": value, "sha1": sha1 or seen.sha1}
    return client.post(reverse("redis_key_replace", args=["cache"]), form).content.decode()


def cached() -> str:
    return str(get_redis_connection("default").get(NAME).decode())


@pytest.mark.parametrize("role", ["sessions", "queue", "cache"])
def test_a_server_has_its_page(supervisor: Client, role: str) -> None:
    page = supervisor.get(reverse("redis_server", args=[role])).content.decode()

    assert "Evicts by" in page
    assert "no answer" not in page.lower()


def test_the_slow_log_names_commands_and_families_but_no_value() -> None:
    client = queue_client()
    client.config_set("slowlog-log-slower-than", 0)
    try:
        push(adt("A01"))
        entries = slow_log(client)
    finally:
        client.config_set("slowlog-log-slower-than", 10_000)

    assert ("LPUSH", "interconnect:…") in [(entry.command, entry.family) for entry in entries]
    assert "Okafor" not in str(entries)


def test_keys_are_counted_by_family_and_none_is_named() -> None:
    client = sessions_client()
    for number in range(30):
        client.hset(keys.session(f"{number:032}"), "user_id", number)
    client.set("somebody's", 1)

    found = {family.name: family.number for family in families(client)}

    assert (found["session:…"], found[OTHER]) == (30, 1)
    assert family_of(b"patient:bed427:vitals") == "patient:…:vitals"
    assert family_of(b"patient:Okafor") == OTHER


def test_a_value_is_masked_without_its_permission_and_on_record_with_it(client: Client) -> None:
    client.force_login(staff("olu", "view_redis"))
    assert "hr&quot;:78" not in shown(client)
    assert not AuditEvent.objects.filter(code="redis.view").exists()

    client.force_login(staff("sue", *EVERYTHING))

    assert "&quot;hr&quot;:78" in shown(client)
    assert AuditEvent.objects.get(code="redis.view").object_id == NAME


def test_messages_of_the_queue_are_shown_by_size_only(supervisor: Client) -> None:
    push(adt("A01"))

    page = shown(supervisor, keys.QUEUE, "queue")

    assert "1 elements" in page
    assert "Okafor" not in page


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("sessions", "session:" + "a" * 32),
        ("cache", "session:" + "a" * 32),
        ("cache", "x"),
        ("queue", NAME),
        ("x", NAME),
    ],
)
def test_no_other_key_is_looked_at(supervisor: Client, role: str, name: str) -> None:
    assert supervisor.post(reverse("redis_key", args=[role]), {"name": name}).status_code == 404


class Late(Redis):
    """Its key expires as soon as its kind is known."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        reply = super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        if args[0] == "TYPE":
            self.delete(NAME)
        return reply


@pytest.mark.parametrize("kind", ["string", "hash"])
def test_a_key_that_expires_while_it_is_read_is_none(kind: str) -> None:
    client = Late(connection_pool=get_redis_connection("default").connection_pool)
    if kind == "hash":
        client.delete(NAME)
        client.hset(NAME, "hr", "78")

    assert read(client, NAME) is None


def test_a_document_is_replaced_keeps_its_ttl_and_is_on_record(supervisor: Client) -> None:
    mended = DOCUMENT.replace("78", "79")

    page = replace(supervisor, mended)

    assert "Replaced" in page
    assert cached() == mended
    assert 0 < get_redis_connection("default").ttl(NAME) <= 60
    event = AuditEvent.objects.get(code="redis.replace")
    assert (event.actor, event.object_id, "79" in str(event.detail)) == ("sue", NAME, False)


def test_a_document_in_clear_is_sealed_by_its_replacement_where_there_is_a_key_ring(
    supervisor: Client, settings: LazySettings
) -> None:
    settings.EPICOPS_SEALING_KEYS = RING
    mended = DOCUMENT.replace("78", "79")

    page = replace(supervisor, mended)

    assert "Replaced" in page
    raw = get_redis_connection("default").get(NAME)
    assert is_sealed(raw)
    assert fence.decode(raw) == json.loads(mended)


def test_a_document_that_changed_meanwhile_stays(supervisor: Client) -> None:
    assert "changed meanwhile" in replace(supervisor, DOCUMENT.replace("78", "79"), sha1="0" * 40)
    assert cached() == DOCUMENT


@pytest.mark.parametrize("value", ["", "x", "[]", '{"hr":"fast"}'])
def test_what_is_no_document_is_refused(supervisor: Client, value: str) -> None:
    assert "no vitals document" in replace(supervisor, value)
    assert cached() == DOCUMENT


def test_each_page_needs_its_permission(client: Client) -> None:
    client.force_login(staff("mo"))
    assert client.get(reverse("redis_server", args=["cache"])).status_code == 403
    assert client.post(reverse("redis_key", args=["cache"]), {"name": NAME}).status_code == 403

    client.force_login(staff("vic", "view_redis", "view_redis_value"))
    assert client.post(reverse("redis_key_replace", args=["cache"]), {"name": NAME}).status_code == 403
