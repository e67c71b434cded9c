"""What a message said is removed only by a supervisor's explicit command, and only once it is settled."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from audit.models import AuditEvent
from interconnect.dlq.retention import forgettable
from interconnect.models import DeadLetter, Discard, InboundMessage, MessageTokens, Revision
from sessions_app.models import User
from tests.builders import adt
from tests.interconnect.test_admin import deliver
from tests.operators import staff

pytestmark = pytest.mark.django_db

YEAR = timedelta(days=365)


@pytest.fixture
def sam() -> User:
    return staff("sam", "restore_deadletter")


def old_letter(state: str, by: User, *, discarded_ago: timedelta = YEAR) -> DeadLetter:
    deliver(adt("A01", bed=""))
    letter = DeadLetter.objects.get()
    Revision.objects.create(message=letter.message, raw=b"edited", reason="-", edited_by=by)
    decision = Discard.objects.create(reason="test", text="-", count=1, discarded_by=by)
    Discard.objects.update(discarded_at=F("discarded_at") - discarded_ago)
    DeadLetter.objects.update(state=state, failed_at=F("failed_at") - YEAR, discard=decision)
    return letter


def test_a_settled_letter_loses_its_body_and_keeps_its_row(sam: User) -> None:
    old_letter("discarded", sam)

    call_command("forget_dead_letters", older_than=300, by="sam")

    message = InboundMessage.objects.get()
    assert (bytes(message.raw), message.reason) == (b"", "body removed by retention")
    assert (message.control_id, len(message.sha256)) == ("A01004270130", 32)
    assert bytes(Revision.objects.get().raw) == b""
    assert not MessageTokens.objects.exists()
    assert AuditEvent.objects.get(code="message.forget").detail == {"count": 1, "ids": [message.pk]}


@pytest.mark.parametrize(
    ("state", "discarded_ago", "days"),
    [("open", YEAR, 300), ("replaying", YEAR, 300), ("discarded", timedelta(days=29), 300), ("resolved", YEAR, 400)],
)
def test_what_is_open_reversible_or_younger_is_kept(sam: User, state: str, discarded_ago: timedelta, days: int) -> None:
    old_letter(state, sam, discarded_ago=discarded_ago)

    assert not forgettable(timedelta(days=days)).exists()


def test_without_a_name_it_only_counts(sam: User, capsys: pytest.CaptureFixture[str]) -> None:
    old_letter("resolved", sam)

    call_command("forget_dead_letters", older_than=300)

    assert capsys.readouterr().out.startswith("1 would lose their bodies")
    assert InboundMessage.objects.get().raw


def test_only_a_supervisor_may(sam: User) -> None:
    old_letter("resolved", sam)
    staff("vera", "view_deadletter")

    with pytest.raises(CommandError, match="active supervisor"):
        call_command("forget_dead_letters", older_than=300, by="vera")
