"""Replaying late: what newer messages have said meanwhile, and what a late one may still do."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from django.db.models import Q, QuerySet

from interconnect.consumer.delivery import Delivery
from interconnect.finding.mentions import mentioned, visit_numbers
from interconnect.finding.tokens import token
from interconnect.hl7.er7 import peek_header
from interconnect.models import InboundMessage, ReplayMode
from vitals.present import changes_present

VISIT_PATHS: Final = ("PV1-19", "PID-18")


class Overtaken(NamedTuple):
    """The newer messages of one that is replayed: how many, of its visit or its patient, and the first of them."""

    number: int
    whose: str
    first: Sequence[InboundMessage]


def overtaken(letter: InboundMessage, raw: bytes, shown: int) -> Overtaken:
    """Return what of the same kind (ADT, ORU) came later and was applied, the oldest first.

    It is of the same visit where the message names one, else of the same patient. A replay counts as what it replays.
    """
    visits = visit_numbers(raw)
    messages = _newer(letter, raw, visits).defer("raw")
    return Overtaken(messages.count(), "visit" if visits else "patient", list(messages[:shown]))


def _newer(letter: InboundMessage, raw: bytes, visits: Collection[str]) -> QuerySet[InboundMessage]:
    origin = letter
    while origin.replay_of:
        origin = origin.replay_of
    patients = [pk for what, pk in mentioned(raw) if what == "patient"]
    kind = peek_header(raw).message_type.partition("^")[0]
    later = Q(replay_of=None, pk__gt=origin.pk) | Q(replay_of__gt=origin.pk)
    applied = InboundMessage.objects.filter(status=InboundMessage.Status.APPLIED, patient__in=patients)
    if visits:
        of_visit = [token(path, number) for path in VISIT_PATHS for number in visits]
        applied = applied.filter(tokens__tokens__overlap=of_visit)
    return applied.filter(later, message_type__startswith=f"{kind}^").exclude(replay_of=letter.pk).order_by("pk")


def respect(deliveries: Sequence[Delivery]) -> None:
    """Skip those replays that, by what the operator asked for, newer messages have made pointless."""
    for delivery in deliveries:
        if delivery.mode in ("", ReplayMode.ANYWAY) or not delivery.events:
            continue
        if delivery.mode == ReplayMode.HISTORY and changes_present(delivery.events):
            delivery.skip("replayed for history only, and it would change the present")
        if delivery.mode == ReplayMode.SUPERSEDED:
            replayed = InboundMessage.objects.get(pk=delivery.replay_of or 0)
            if (late := overtaken(replayed, delivery.raw, shown=0)).number:
                delivery.skip(f"superseded: {late.number} newer of this {late.whose} were applied")
