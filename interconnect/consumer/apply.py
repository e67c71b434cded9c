"""Committing a batch: everything its messages did, in one transaction, once."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final
from uuid import UUID

from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction

from audit.models import AuditEvent, MachineAction
from epicops.bulk import copy_rows, next_ids
from interconnect.consumer import duplicates, oversize
from interconnect.consumer.delivery import COLUMNS, Delivery, Status, unexpected
from interconnect.dlq.signatures import file_failures, signature_of
from interconnect.feed import feed_counts
from interconnect.models import DeadLetter, InboundMessage, MessageTokens
from vitals import ingest
from vitals.ingest import Effects

ELSEWHERE: Final = "PV1-3 is not where the patient is"  # a monitor that was left to the next patient, perhaps

OneByOne = Callable[[Sequence[Delivery]], Iterable[Delivery]]


def apply_batch(
    batch_id: UUID, deliveries: Sequence[Delivery], worker: str, one_by_one: OneByOne | None = None, lane: int = 0
) -> Effects | None:
    """Commit the deliveries; return what they touched, or None when this batch was committed before.

    A message the database refuses becomes a dead letter and the rest goes on. An outage raises OperationalError or
    InterfaceError, leaves nothing behind and is charged to no message. With `one_by_one` each message is applied by
    itself, in the order it yields them.
    """
    with transaction.atomic():
        if not _open_batch(batch_id, len(deliveries), worker, lane):
            return None
        for delivery, message_id in zip(deliveries, next_ids(InboundMessage, len(deliveries)), strict=True):
            delivery.message_id = message_id
        duplicates.set_aside(deliveries)
        effects = Effects()
        # No name for the iterator: when an outage ends the loop, it is closed at once, and so takes its note away.
        for some in ([delivery] for delivery in one_by_one(deliveries)) if one_by_one else [deliveries]:
            effects |= _apply(some)
        copy_rows(InboundMessage, COLUMNS, (delivery.row(batch_id) for delivery in deliveries))
        oversize.keep(deliveries)
        copy_rows(MessageTokens, ("message_id", "tokens"), ((d.message_id, d.tokens) for d in deliveries))
        _bury([delivery for delivery in deliveries if delivery.error])
        _close_replays([delivery for delivery in deliveries if delivery.is_asked_for])
        _close_releases([delivery for delivery in deliveries if delivery.is_release])
        feed_counts.count(deliveries)
        AuditEvent.objects.record_machine(_actions(deliveries, worker))
        return effects


def _open_batch(batch_id: UUID, size: int, worker: str, lane: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO interconnect_batch (id, size, lane, worker) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [batch_id, size, lane, worker],
        )
        return bool(cursor.rowcount)


def _apply(deliveries: Sequence[Delivery], *, is_second_try: bool = False) -> Effects:
    """Apply the events of these deliveries in order; where that fails, find the one to blame by halving."""
    with_event = [delivery for delivery in deliveries if delivery.events]
    if not with_event:
        return Effects()
    try:
        with transaction.atomic():
            effects = ingest.apply([ingest.Arrival(d.message_id, event) for d in with_event for event in d.events])
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001  whatever one message provokes, the others go on
        if len(with_event) == 1 and isinstance(error, IntegrityError) and not is_second_try:
            return _apply(with_event, is_second_try=True)  # another lane may just have made the same bed or visit
        if len(with_event) == 1:
            with_event[0].die(unexpected(error, with_event[0].ordinal))
            return Effects()
        middle = len(with_event) // 2
        effects = _apply(with_event[:middle])
        effects |= _apply(with_event[middle:])
        return effects
    for delivery in with_event:
        delivery.patient_id = effects.patients[delivery.message_id]
        if delivery.message_id in effects.elsewhere:
            delivery.remark(ELSEWHERE)
    return effects


def _bury(dead: Sequence[Delivery]) -> None:
    errors = [(delivery, delivery.error) for delivery in dead if delivery.error]
    groups = file_failures([signature_of(error, delivery.header) for delivery, error in errors])
    DeadLetter.objects.bulk_create(
        DeadLetter(
            message_id=delivery.message_id,
            group_id=group,
            error_class=error.error_class,
            error_code=error.code,
            error_path=error.path,
            error_text=error.text,
        )
        for (delivery, error), group in zip(errors, groups, strict=True)
    )


def _close_replays(replayed: Sequence[Delivery]) -> None:
    """Say on the dead letters that were replayed how it went; one of which a part still fails has failed again."""
    for state, has_error in ((DeadLetter.State.RESOLVED, False), (DeadLetter.State.FAILED_AGAIN, True)):
        originals = [delivery.replay_of for delivery in replayed if bool(delivery.error) is has_error]
        if originals:
            DeadLetter.objects.filter(message_id__in=originals).update(state=state)


def _close_releases(released: Sequence[Delivery]) -> None:
    """Say on the rows that were held that they have been delivered."""
    held = [delivery.replay_of for delivery in released if delivery.replay_of]
    if held:
        InboundMessage.objects.filter(pk__in=held).update(status=Status.RELEASED)


def _actions(deliveries: Sequence[Delivery], worker: str) -> list[MachineAction]:
    return [
        MachineAction("C", f"message.{d.status.value}", worker, d.patient_id, "inboundmessage", str(d.message_id))
        for d in deliveries
    ]
