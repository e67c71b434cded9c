"""What messages did: the movements, stays and values that are theirs now."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Q
from django.db.models.functions import Coalesce

from interconnect.handlers import adt, merges
from interconnect.models import InboundMessage
from vitals.codes import KEPT
from vitals.models import Movement, Observation, Patient, Stay, SupersededObservation
from vitals.stays import ARRIVING

Status = InboundMessage.Status


@dataclass(slots=True)
class Effect:
    """What of a message holds now; `remark` says why that may be nothing."""

    movements: list[Movement] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    vitals: list[str] = field(default_factory=list)  # names of values that hold
    hidden: list[str] = field(default_factory=list)  # withdrawn or implausible
    superseded: list[str] = field(default_factory=list)  # by a weightier statement
    remark: str = ""

    @property
    def is_nothing(self) -> bool:
        return not (self.movements or self.vitals or self.hidden or self.superseded)


def effects_of(messages: Sequence[InboundMessage]) -> dict[int, Effect]:
    """Return each message's effect, in five queries."""
    ids = [message.pk for message in messages]
    found: dict[int, Effect] = defaultdict(Effect)
    for movement in Movement.objects.filter(message_id__in=ids).select_related("bed").order_by("occurred_at", "pk"):
        found[movement.message_id].movements.append(movement)
    visits = {movement.visit_id for effect in found.values() for movement in effect.movements}
    for stay in Stay.objects.filter(visit__in=visits, message_id__in=ids).select_related("bed"):
        found[stay.message_id].stays.append(stay)
    _add_values(messages, found)
    for message in messages:
        found[message.pk].remark = _remark(message, found[message.pk])
    return dict(found)


def _add_values(messages: Sequence[InboundMessage], found: dict[int, Effect]) -> None:
    ids = [message.pk for message in messages]
    values = Observation.everything.filter(message_id__in=ids).order_by("pk")
    for message_id, vital, is_shown in values.values_list("message_id", "vital", "is_shown"):
        effect = found[message_id]
        (effect.vitals if is_shown else effect.hidden).append(KEPT[vital].label)
    filed = {message.patient_id for message in messages if message.patient_id}
    # Superseded values are found by patient: there is no index by message, and a merge has moved them.
    owners = Patient.objects.filter(Q(pk__in=filed)).annotate(owner=Coalesce("merged_into", "pk"))
    old = SupersededObservation.objects.filter(patient__in=owners.values("owner"), message_id__in=ids).order_by("pk")
    for message_id, vital in old.values_list("message_id", "vital"):
        found[message_id].superseded.append(KEPT[vital].label)


def _remark(message: InboundMessage, effect: Effect) -> str:
    words = _shortfall(message, effect) if message.status == Status.APPLIED else ""
    return f"{words} {message.reason}".strip()


def _shortfall(message: InboundMessage, effect: Effect) -> str:
    """Say what an applied message did where no row shows it."""
    if any(movement.kind in ARRIVING for movement in effect.movements) and not effect.stays:
        return "Opens no stay: the patient was there already, or it was cancelled."
    if not effect.is_nothing:
        return ""
    handler = adt.HANDLERS.get(message.message_type)
    if message.message_type in merges.HANDLERS:
        return "Made records or visits one."
    if handler in (adt.described, adt.linked):
        return "Details of the person."
    return "Ended the person's stays." if handler is adt.deleted else "Nothing: it was known already."
