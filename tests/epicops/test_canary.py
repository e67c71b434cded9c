"""A patient's name in whatever Redis writes to disk, in logs, figures, the auditor's files and the console's."""

import base64
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from audit.models import AuditEvent
from epicops import keys
from epicops.embedded.stack import Stack
from epicops.redis_client import queue_client
from interconnect.dlq.redrive import start
from interconnect.models import DeadLetter, Redrive
from monitoring.auditor import FORMS
from monitoring.metrics import exposition
from sessions_app.models import User
from tests.operators import root
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


def console_file(operator: Client, model: str, action: str) -> bytes:
    """What an operator takes away of every row of a list."""
    form = {"action": action, "select_across": "1", "_selected_action": ["0"]}
    answer: Any = operator.post(reverse(f"admin:interconnect_{model}_changelist"), form)
    return b"".join(answer.streaming_content)


@pytest.mark.parametrize("key_ring", [RING, ""], ids=["sealed", "plain"])
def test_the_consoles_files_have_no_patient_but_those_that_are_the_messages(
    client: Client, settings: LazySettings, key_ring: str
) -> None:
    settings.EPICOPS_SEALING_KEYS = key_ring
    every_path()
    client.force_login(root())
    redrive = start(
        Redrive(rate=1, canary=1, stop_percent=1, started_by=User.objects.get(username="root")),
        DeadLetter.objects.all(),
    )
    report: Any = client.get(reverse("admin:interconnect_redrive_report", args=[redrive.pk]))

    lists = [console_file(client, model, "export_csv") for model in ("inboundmessage", "deadletter")]
    bodies = [console_file(client, "inboundmessage", action) for action in ("export_json", "export_hl7")]

    tables = [*lists, b"".join(report.streaming_content)]
    assert [table.count(b"\r\n") for table in tables] == [4, 2, 2]
    assert [holds_canary(table) for table in tables] == [False] * 3
    assert [holds_canary(body) for body in bodies] == [True] * 2


def test_the_same_search_finds_it_without_sealing(stack: Stack) -> None:
    every_path()

    found = on_disk(stack)
    assert any("queue" in path for path in found)
    assert any("sessions" in path for path in found)


def test_forms_find_what_they_look_for() -> None:
    for shift in range(3):
        assert any(form in base64.b64encode(b"y" * shift + f"{CANARY}^AMAKA".encode()) for form in forms(CANARY)[4:])
