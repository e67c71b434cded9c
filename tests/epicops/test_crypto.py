"""Sealing: what a key ring opens and refuses, and how values that are sealed are used."""

import pytest
from django.conf import LazySettings
from django_redis import get_redis_connection

from epicops import crypto, keys
from epicops.crypto import KeyRing, SealBroken
from epicops.redis_client import sessions_client
from interconnect.models import DeadLetter, InboundMessage, InboxMessage
from interconnect.wire import inbox
from interconnect.wire import push as door
from sessions_app.backend import SessionStore
from tests.builders import adt, drain, oru, push
from tests.factories import bed
from tests.sealing import CANARY, OLD, RING, ROTATED, WITHOUT_OLD, forms, knock, session
from vitals.cache import read_shared
from vitals.documents import Source


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
        '{"primary": "k\u00e91", "keys": {"k\u00e91": "' + OLD + '"}}',  # four bytes: it would open nothing
    ],
)
def test_a_wrong_ring_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="key ring") as caught:
        KeyRing.parse(text)

    assert "hunter2" not in str(caught.value)
    assert "aHVu" not in str(caught.value)


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
def test_a_message_whose_key_is_gone_becomes_a_dead_letter(sealed: LazySettings) -> None:
    knock(adt("A01"))
    sealed.EPICOPS_SEALING_KEYS = WITHOUT_OLD

    drain()

    assert DeadLetter.objects.count() == 1
    assert bytes(InboundMessage.objects.get().raw).startswith(crypto.MARK)


@pytest.mark.django_db(transaction=True)
def test_sealed_sessions_show_their_role_and_hide_the_rest(sealed: LazySettings) -> None:
    login = session(note=CANARY)

    stored = sessions_client().hgetall(keys.session(login))
    assert stored[b"role"] == b"nurse"
    assert not any(form in stored[b"data"] for form in forms(CANARY))
    assert SessionStore(login)["note"] == CANARY


@pytest.mark.django_db(transaction=True)
def test_a_session_whose_key_is_gone_is_nobodys(sealed: LazySettings) -> None:
    login = session()
    sealed.EPICOPS_SEALING_KEYS = WITHOUT_OLD

    assert SessionStore(login).load() == {}


@pytest.mark.django_db(transaction=True)
def test_sealed_vitals_are_read_from_the_cache(sealed: LazySettings) -> None:
    ward_bed = bed()
    read_shared([ward_bed])

    assert read_shared([ward_bed])[ward_bed.pk].source == Source.CACHE
    assert 0 < get_redis_connection("default").ttl(keys.vitals(ward_bed.key)) <= 60
