import base64
import json
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from epicops.portal import OPERATIONS
from interconnect.models import RefusedFrame
from interconnect.wire.refused import Refusal, RefusalLog
from tests.factories import signed_in
from tests.operators import staff

pytestmark = pytest.mark.django_db


def test_a_refused_frame_can_be_opened_with_its_bytes_and_its_answer(client: Client) -> None:
    log = RefusalLog()
    log.add(Refusal("This is not MLLP", 5, b"\x16\x03abc", b"MSH|^~\\&|\rMSA|AR|\r"), "10.0.0.9")
    log.flush()
    row = RefusedFrame.objects.get()

    client = signed_in(client, staff("rita", "view_refusedframe"), OPERATIONS)
    listed = client.get("/admin/interconnect/refusedframe/").content.decode()
    page = client.get(f"/admin/interconnect/refusedframe/{row.pk}/change/").content.decode()
    assert "This is not MLLP" in listed
    assert "16 03 61 62 63" in page
    assert "MSA|AR|" in page


def test_a_flood_of_one_peer_becomes_rows_that_count() -> None:
    log = RefusalLog()
    for number in range(5000):
        log.add(Refusal("empty", 0, str(number).encode()), "10.0.0.9")
    log.flush()

    assert RefusedFrame.objects.count() <= 130
    assert sum(RefusedFrame.objects.values_list("repeats", flat=True)) == 5000


def test_what_could_not_be_written_counts_with_what_came_meanwhile() -> None:
    log, again = RefusalLog(), Refusal("empty", 0, b"")
    log.add(again, "10.0.0.9")

    def away(*_: object) -> None:
        log.add(again, "10.0.0.9")
        raise OperationalError

    with connection.execute_wrapper(away), pytest.raises(OperationalError):
        log.flush()

    assert log.flush() == 2


@pytest.mark.django_db(transaction=True)
def test_a_commit_that_was_not_heard_of_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    log, commit = RefusalLog(), vars(BaseDatabaseWrapper)["_commit"]

    def unheard(wrapper: BaseDatabaseWrapper) -> None:
        commit(wrapper)
        raise OperationalError

    log.add(Refusal("empty", 0, b""), "10.0.0.9")
    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", unheard)
    with pytest.raises(OperationalError):
        log.flush()
    monkeypatch.undo()

    assert log.flush() == 1


def test_the_beginning_of_a_frame_is_sealed_and_its_page_opens_it(client: Client, settings: LazySettings) -> None:
    key = base64.b64encode(b"k" * 32).decode()
    settings.EPICOPS_SEALING_KEYS = json.dumps({"primary": "k001", "keys": {"k001": key}})
    log = RefusalLog()
    log.add(Refusal("prose", 6, b"Okafor"), "10.0.0.9")
    log.flush()
    row = RefusedFrame.objects.get()
    address = f"/admin/interconnect/refusedframe/{row.pk}/change/"

    rita = staff("rita", "view_refusedframe")
    page = signed_in(client, rita, OPERATIONS).get(address).content.decode()
    settings.EPICOPS_SEALING_KEYS = ""  # her session was sealed with it, too
    without_key = signed_in(client, rita, OPERATIONS).get(address).content.decode()

    assert b"Okafor" not in bytes(row.head)
    assert "Okafor" in page
    assert "no longer in the key ring" in without_key


def test_old_frames_are_deleted_by_a_person_on_record() -> None:
    log = RefusalLog()
    log.add(Refusal("old", 0, b"1"), "10.0.0.9")
    log.flush()
    RefusedFrame.objects.update(received_at=timezone.now() - timedelta(days=91))
    log.add(Refusal("new", 0, b"2"), "10.0.0.9")
    log.flush()

    with pytest.raises(CommandError, match="may delete"):
        call_command("prune_refused", "--older-than", "90", "--by", staff("rita", "view_refusedframe").username)
    call_command("prune_refused", "--older-than", "90", "--by", staff("sue", "delete_refusedframe").username)

    assert RefusedFrame.objects.get().reason == "new"
    event = AuditEvent.objects.get(code="refusedframe.prune")
    assert (event.actor, event.detail["deleted"]) == ("sue", 1)
