"""Real messages of public projects, where they lie beside the checkout; none is part of this repository."""

import json
import re
from collections.abc import Callable

import pytest

from interconnect.models import InboundMessage
from tests.builders import push
from tests.processes import PROJECT, ManageProcess

CORPUS = PROJECT.parent / "shared" / "hl7"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real HL7 messages is not beside this checkout"),
]


def corpus() -> list[bytes]:
    """Every file below a source's folder, as found."""
    return [path.read_bytes() for path in sorted(CORPUS.glob("*/**/*")) if path.is_file()]


def test_every_real_message_is_accounted_for(manage: Callable[..., ManageProcess]) -> None:
    raw = corpus()
    normalised = [re.sub(rb"\r?\n", b"\r", content) for content in raw]
    push(*raw, *normalised)

    worker = manage("consume_interconnect", "--drain")
    assert worker.wait(60) == 0
    summary = json.loads(worker.stdout)

    assert len(raw) > 400
    assert summary["applied"] + summary["skipped"] + summary["dead"] == 2 * len(raw) == InboundMessage.objects.count()
    assert "Traceback" not in worker.stderr
    assert not InboundMessage.objects.filter(dead_letter__error_class="internal-error").exists()
