"""A patient's name in whatever Redis writes to disk, in logs, figures and the auditor's files."""

import base64

import pytest
from django.conf import LazySettings

from audit.models import AuditEvent
from epicops import keys
from epicops.embedded.stack import Stack
from epicops.redis_client import queue_client
from interconnect.models import DeadLetter
from monitoring.auditor import FORMS
from monitoring.metrics import exposition
from tests.sealing import CANARY, RING, every_path, forms, holds_canary, on_disk

pytestmark = pytest.mark.django_db(transaction=True)


def auditors_files() -> str:
    """What an auditor can take away about everything that happened."""
    return "".join(part for write, _ in FORMS.values() for part in write(AuditEvent.objects.iterator()))


def test_no_patient_reaches_redis_in_clear(
    stack: Stack, settings: LazySettings, capfd: pytest.CaptureFixture[str]
) -> None:
    settings.EPICOPS_SEALING_KEYS = RING
    every_path()

    assert DeadLetter.objects.count() == 1
    assert queue_client().llen(keys.QUEUE) == queue_client().llen(keys.DLQ) == 1
    assert on_disk(stack) == []
    assert not holds_canary("".join(capfd.readouterr()).encode())
    assert not holds_canary(exposition())
    assert not holds_canary(auditors_files().encode())


def test_the_same_search_finds_it_without_sealing(stack: Stack) -> None:
    every_path()

    found = on_disk(stack)
    assert any("queue" in path for path in found)
    assert any("sessions" in path for path in found)


def test_forms_find_what_they_look_for() -> None:
    for shift in range(3):
        assert any(form in base64.b64encode(b"y" * shift + f"{CANARY}^AMAKA".encode()) for form in forms(CANARY)[4:])
