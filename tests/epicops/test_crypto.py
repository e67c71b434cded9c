"""Sealing, and a canary: a patient's name in whatever Redis writes to disk."""

import base64
import json
import time

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django_redis import get_redis_connection

from epicops import crypto, keys
from epicops.crypto import KeyRing, SealBroken
from epicops.embedded.stack import Stack
from epicops.redis_client import queue_client
from interconnect.models import DeadLetter, InboundMessage, InboxMessage
from interconnect.wire import inbox
from interconnect.wire import push as door
from tests.builders import adt, drain, oru, push

CANARY = "ZZCANARY"
OLD, NEW = (base64.b64encode(letter * 32).decode() for letter in (b"o", b"n"))
RING = json.dumps({"primary": "k001", "keys": {"k001": OLD}})
ROTATED = json.dumps({"primary": "k002", "keys": {"k001": OLD, "k002": NEW}})
WITHOUT_OLD = json.dumps({"primary": "k002", "keys": {"k002": NEW}})


@pytest.fixture
def sealed(settings: LazySettings) -> LazySettings:
    settings.EPICOPS_SEALING_KEYS = RING
    return settings


def test_what_is_sealed_opens_again() -> None:
    ring = KeyRing.parse(RING)
    sealed = ring.seal(b"Okafor", "message")

    assert len(sealed) == len(b"Okafor") + 39
    assert ring.open(sealed, "message") == b"Okafor"
    assert ring.seal(b"Okafor", "message") != sealed


def test_an_empty_ring_leaves_values_plain() -> None:
    assert KeyRing.parse("").seal(b"Okafor", "message") == b"Okafor"
    assert KeyRing.parse(RING).open(b"Okafor", "message") == b"Okafor"


@pytest.mark.parametrize("position", [3, 8, 12, 30, -1])
def test_a_changed_byte_is_noticed(position: int) -> None:
    ring = KeyRing.parse(RING)
    broken = bytearray(ring.seal(b"Okafor", "message"))
    broken[position] ^= 1

    with pytest.raises(SealBroken):
        ring.open(bytes(broken), "message")


def test_a_truncated_value_is_noticed() -> None:
    ring = KeyRing.parse(RING)
    sealed = ring.seal(b"Okafor", "message")

    for length in range(len(crypto.MARK), len(sealed)):
        with pytest.raises(SealBroken):
            ring.open(sealed[:length], "message")


def test_a_value_of_another_family_does_not_open() -> None:
    ring = KeyRing.parse(RING)

    with pytest.raises(SealBroken):
        ring.open(ring.seal(b"Okafor", "message"), "vitals")


def test_an_old_key_opens_until_it_is_removed() -> None:
    sealed = KeyRing.parse(RING).seal(b"Okafor", "message")

    assert KeyRing.parse(ROTATED).open(sealed, "message") == b"Okafor"
    with pytest.raises(SealBroken):
        KeyRing.parse(WITHOUT_OLD).open(sealed, "message")


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "[]",
        '{"primary": "k002", "keys": {"k001": "aHVudGVyMg=="}}',
        '{"primary": "k001", "keys": {"k001": "aHVudGVyMg=="}}',
        '{"primary": "k1", "keys": {"k1": "' + OLD + '"}}',
    ],
)
def test_a_wrong_ring_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="key ring") as caught:
        KeyRing.parse(text)

    assert "hunter2" not in str(caught.value)
    assert "aHVu" not in str(caught.value)


def knock(*messages: bytes) -> None:
    """Send messages through a door's push."""
    door.push(queue_client(), door.sealed(messages))


def forms(text: str) -> list[bytes]:
    """How a text could lie on a disk: plain, UTF-16, hex and base64 at each of its three alignments."""
    raw = text.encode()
    shifted = [base64.b64encode(b"x" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)]
    return [raw, text.encode("utf-16-le"), text.encode("utf-16-be"), raw.hex().encode(), *shifted]


def on_disk(stack: Stack) -> list[str]:
    """The files of the Redis servers that hold the canary in any form, before and after they are rewritten."""
    found = with_canary(stack)
    for client in (queue_client(), get_redis_connection("default")):
        client.bgrewriteaof() if client is queue_client() else client.save()
    while queue_client().info("persistence")["aof_rewrite_in_progress"]:
        time.sleep(0.02)
    return found + with_canary(stack)


def with_canary(stack: Stack) -> list[str]:
    paths = [path for server in (stack.queue, stack.sessions, stack.cache) for path in server.data.rglob("*")]
    logs = [server.log for server in stack.servers]
    files = {path: path.read_bytes() for path in [*paths, *logs] if path.is_file()}
    return [str(path) for path, content in files.items() for form in forms(CANARY) if form in content]


def every_path() -> None:
    """A patient admitted, measured, rejected into the dead-letter list, and waiting in the queue."""
    bad = adt("A01", mrn="", family=CANARY)
    knock(adt("A01", family=CANARY), oru(hr=81), bad)
    drain()
    knock(adt("A02", family=CANARY, minutes=5))


@pytest.mark.django_db(transaction=True)
def test_no_patient_reaches_redis_in_clear(
    stack: Stack, sealed: LazySettings, capfd: pytest.CaptureFixture[str]
) -> None:
    every_path()

    assert DeadLetter.objects.count() == 1
    assert queue_client().llen(keys.QUEUE) == queue_client().llen(keys.DLQ) == 1
    assert on_disk(stack) == []
    assert CANARY not in "".join(capfd.readouterr())


@pytest.mark.django_db(transaction=True)
def test_the_same_search_finds_it_without_sealing(stack: Stack) -> None:
    every_path()

    assert on_disk(stack)


@pytest.mark.django_db(transaction=True)
def test_plain_and_sealed_senders_share_the_queue_in_order(sealed: LazySettings) -> None:
    push(adt("A01"))
    knock(oru(hr=81))
    push(oru(minutes=2, hr=82))

    drain()

    rows = InboundMessage.objects.order_by("pk")
    assert [(row.status, b"|P|2.5.1" in bytes(row.raw)) for row in rows] == [("applied", True)] * 3


@pytest.mark.django_db(transaction=True)
def test_what_waits_in_the_inbox_is_sealed_once_and_applied(sealed: LazySettings) -> None:
    inbox.keep(door.sealed([adt("A01", family=CANARY)]))
    kept = bytes(InboxMessage.objects.get().raw)

    drain()

    assert CANARY.encode() not in kept
    assert InboundMessage.objects.get().status == "applied"


@pytest.mark.django_db(transaction=True)
def test_verify_encryption_tells_plain_from_sealed(sealed: LazySettings, capsys: pytest.CaptureFixture[str]) -> None:
    every_path()
    inbox.keep(door.sealed([adt("A03")]))
    call_command("verify_encryption")
    assert json.loads(capsys.readouterr().out) == {
        "inbox": {"k001": 1},
        "queue": {"k001": 1},
        "dlq": {"k001": 1},
        "vitals": {"k001": 1},
    }

    push(adt("A01"))
    with pytest.raises(SystemExit) as ended:
        call_command("verify_encryption")

    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out)["queue"] == {"plain": 1, "k001": 1}


@pytest.mark.django_db(transaction=True)
def test_a_message_whose_key_is_gone_becomes_a_dead_letter(sealed: LazySettings) -> None:
    knock(adt("A01"))
    sealed.EPICOPS_SEALING_KEYS = WITHOUT_OLD

    drain()

    assert DeadLetter.objects.count() == 1
    assert bytes(InboundMessage.objects.get().raw).startswith(crypto.MARK)


def test_forms_find_what_they_look_for() -> None:
    for shift in range(3):
        assert any(form in base64.b64encode(b"y" * shift + f"{CANARY}^AMAKA".encode()) for form in forms(CANARY)[4:])
