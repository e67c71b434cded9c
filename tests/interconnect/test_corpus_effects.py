"""How much of what public projects call ADT and ORU^R01 is applied, and why the rest is not."""

import re
from collections.abc import Callable

import pytest
from django.db.models import Q

from interconnect.hl7 import er7
from interconnect.hl7.rejected import MessageRejected
from interconnect.models import InboundMessage
from tests.builders import push
from tests.interconnect.test_corpus import CORPUS, corpus
from tests.processes import ManageProcess

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real HL7 messages is not beside this checkout"),
]

START = re.compile(rb"^(?=MSH[^\w\s])", re.MULTILINE)

# What is left, and why a specialist would leave it: the reason or error with its path, and how many there are.
NOT_APPLIED = {
    ("no handler for this event", ""): 3,  # A60 lists allergies
    ("bad-timestamp", "EVN-2"): 5,  # "01/15/2025 14:30:00" and the like: when somebody moved cannot be guessed
    ("bad-timestamp", "EVN-6"): 1,  # the field holds a text
    ("bad-delimiters", "MSH-2"): 2,  # two delimiters are the same
    ("bad-charset", "MSH-18"): 1,  # Latin-1 bytes in a message without MSH-18
    ("missing-segment", "PV1"): 1,  # A03: which visit ended?
    ("missing-field", "MRG-3"): 1,  # A41 merges accounts and names no old one
    ("not-a-number", "OBX[1]-5"): 1,  # a heart rate that is an address of a picture
}


def with_a_patient() -> list[bytes]:
    """Every ADT and ORU^R01 message with a patient identifier, also those inside batch files."""
    messages = [part.strip() for content in corpus() for part in START.split(re.sub(rb"\r\n?", b"\n", content))]
    return [message for message in messages if message.startswith(b"MSH") and names_a_patient(message)]


def names_a_patient(raw: bytes) -> bool:
    if not er7.peek_header(raw).message_type.startswith(("ADT", "ORU^R01")):
        return False
    try:
        pid = er7.parse(raw).first("PID")
    except MessageRejected:  # counted all the same
        return bool(re.search(rb"^PID\|[^|\n]*\|[^|\n]*\|[^|\n]", raw, re.MULTILINE))
    return pid is not None and any(pid.get(3, repetition=number + 1) for number in range(pid.repetitions(3)))


def test_nineteen_of_twenty_are_applied_and_the_rest_for_a_reason(
    manage: Callable[..., ManageProcess], process_environment: dict[str, str]
) -> None:
    process_environment["EPICOPS_PROCESSING_IDS"] = "P,T,D,"  # samples are often marked as tests
    messages = with_a_patient()
    push(*messages)
    assert manage("consume_interconnect", "--drain").wait(60) == 0

    had_effect = Q(status=InboundMessage.Status.APPLIED) | Q(duplicate_of__isnull=False)  # some samples repeat
    applied = InboundMessage.objects.filter(had_effect).count()
    rest = InboundMessage.objects.exclude(had_effect).select_related("dead_letter")
    reasons: dict[tuple[str, str], int] = {}
    for message in rest:
        letter = getattr(message, "dead_letter", None)
        reason = (letter.error_class, letter.error_path) if letter else (message.reason, "")
        reasons[reason] = reasons.get(reason, 0) + 1
    assert len(messages) > 300
    assert applied >= 0.95 * len(messages)
    assert reasons == NOT_APPLIED
