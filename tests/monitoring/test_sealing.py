"""What lies sealed is counted by key, and put under the new key of a ring that was rotated."""

import json
import os
import stat
from collections import Counter
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django_redis import get_redis_connection

from epicops import keys
from epicops.crypto import ring
from epicops.redis_client import queue_client
from interconnect.models import InboundMessage
from monitoring import sealing
from monitoring.sealing import Messages, rekey
from sessions_app.backend import SessionStore
from tests.builders import adt, drain, push
from tests.sealing import RING, ROTATED, WITHOUT_OLD, every_path, knock, session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sealed(settings: LazySettings) -> LazySettings:
    settings.EPICOPS_SEALING_KEYS = RING
    return settings


def test_verify_encryption_tells_plain_from_sealed(sealed: LazySettings, capsys: pytest.CaptureFixture[str]) -> None:
    every_path()
    call_command("verify_encryption")
    assert json.loads(capsys.readouterr().out) == {
        "inbox": {"k001": 1},
        "refused": {"k001": 1},
        "queue": {"k001": 1},
        "dlq": {"k001": 1},
        "sessions": {"k001": 2},
        "vitals": {"k001": 1},
    }

    push(adt("A01"))
    with pytest.raises(SystemExit) as ended:
        call_command("verify_encryption")

    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out)["queue"] == {"plain": 1, "k001": 1}


def test_a_file_that_is_no_ring_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "ring"
    file.write_text(RING[:-2])

    with pytest.raises(CommandError, match="the key ring is not"):
        call_command("edit_key_ring", str(file), "--add", "k002")
    assert file.read_text() == RING[:-2]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for others")
def test_a_ring_stays_its_owners_when_root_changes_it(tmp_path: Path) -> None:
    file = tmp_path / "ring"
    file.write_text(RING)
    os.chown(file, 4242, 4243)

    call_command("edit_key_ring", str(file), "--add", "k002")

    changed = file.stat()
    assert (changed.st_uid, changed.st_gid, stat.S_IMODE(changed.st_mode)) == (4242, 4243, 0o600)


def test_rekey_puts_everything_under_the_new_key_and_changes_nothing_else(sealed: LazySettings) -> None:
    every_path()
    push(adt("A03", minutes=7))
    login = session()
    sealed.EPICOPS_SEALING_KEYS = ROTATED

    call_command("rekey")

    sealed.EPICOPS_SEALING_KEYS = WITHOUT_OLD
    get_redis_connection("default").flushall()
    call_command("verify_encryption")
    drain()
    assert SessionStore(login)["role"] == "nurse"
    assert list(InboundMessage.objects.order_by("pk").values_list("status", flat=True)) == [
        *("applied", "applied", "dead"),
        *("applied",) * 3,
    ]


def test_rekey_goes_on_where_it_was_stopped(sealed: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "PAGE", 2)
    knock(*(adt("A01", minutes=number) for number in range(5)))
    sealed.EPICOPS_SEALING_KEYS = ROTATED
    queue = Messages("queue", keys.QUEUE)

    stopped = rekey(queue)
    assert next(stopped) == (2, 0)
    stopped.close()

    assert list(rekey(queue))[-1] == (3, 0)
    assert Counter(queue.key_id(found.value) for found in queue.values()) == {"k002": 5}


def test_rekey_follows_a_queue_that_moves(sealed: LazySettings) -> None:
    messages = [adt("A01", minutes=number) for number in range(5)]
    knock(*messages[:3])
    sealed.EPICOPS_SEALING_KEYS = ROTATED
    queue = Messages("queue", keys.QUEUE)
    pairs = [(found, queue.sealed(found.value)) for found in queue.values()]
    knock(*messages[3:])
    queue_client().rpop(keys.QUEUE)

    assert queue.replace(pairs) == 2
    assert [ring().open(found.value, "message") for found in queue.values()] == messages[:0:-1]


def test_rekey_leaves_what_it_cannot_open_and_says_so(sealed: LazySettings) -> None:
    knock(adt("A01"))
    sealed.EPICOPS_SEALING_KEYS = WITHOUT_OLD

    with pytest.raises(CommandError, match="1 values are as they were"):
        call_command("rekey")
