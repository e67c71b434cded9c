"""Committing a batch: everything its messages did, in one transaction, once."""

from collections.abc import Sequence
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction

from audit.models import AuditEvent, MachineAction
from epicops.bulk import copy_rows, next_ids
from interconnect.delivery import COLUMNS, Delivery, Status, unexpected
from interconnect.models import DeadLetter, InboundMessage, MessageTokens
from interconnect.search import tokens_of
from interconnect.signatures import file_failures, signature_of
from vitals import ingest


def apply_batch(batch_id: UUID, deliveries: Sequence[Delivery], worker: str) -> set[int] | None:
    """Commit the deliveries; return the beds whose documents changed, or None when this batch was committed before.

    A message the database refuses becomes a dead letter and the rest goes on. An outage raises OperationalError or
    InterfaceError, leaves nothing behind and is charged to no message.
    """
    with transaction.atomic():
        if not _open_batch(batch_id, len(deliveries), worker):
            return None
        for delivery, message_id in zip(deliveries, next_ids(InboundMessage, len(deliveries)), strict=True):
            delivery.message_id = message_id
        beds = _apply(deliveries)
        copy_rows(InboundMessage, COLUMNS, (delivery.row(batch_id) for delivery in deliveries))
        copy_rows(MessageTokens, ("message_id", "tokens"), ((d.message_id, tokens_of(d)) for d in deliveries))
        _bury([delivery for delivery in deliveries if delivery.error])
        _close_replays([delivery for delivery in deliveries if delivery.replay_of])
        AuditEvent.objects.record_machine(_actions(deliveries, worker))
        return beds


def _open_batch(batch_id: UUID, size: int, worker: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO interconnect_batch (id, size, lane, worker) VALUES (%s, %s, 0, %s) ON CONFLICT DO NOTHING",
            [batch_id, size, worker],
        )
        return bool(cursor.rowcount)


def _apply(deliveries: Sequence[Delivery]) -> set[int]:
    """Apply the events of these deliveries in order; where that fails, find the one to blame by halving."""
    with_event = [delivery for delivery in deliveries if delivery.event]
    if not with_event:
        return set()
    try:
        with transaction.atomic():
            effects = ingest.apply([ingest.Arrival(d.message_id, d.event) for d in with_event if d.event])
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001  whatever one message provokes, the others go on
        if len(with_event) == 1:
            with_event[0].die(unexpected(error))
            return set()
        middle = len(with_event) // 2
        return _apply(with_event[:middle]) | _apply(with_event[middle:])
    for delivery in with_event:
        delivery.patient_id = effects.patients[delivery.message_id]
    return effects.beds


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
    """Say on the dead letters that were replayed how it went."""
    for state, dead in ((DeadLetter.State.RESOLVED, False), (DeadLetter.State.FAILED_AGAIN, True)):
        originals = [delivery.replay_of for delivery in replayed if (delivery.status == Status.DEAD) is dead]
        if originals:
            DeadLetter.objects.filter(message_id__in=originals).update(state=state)


def _actions(deliveries: Sequence[Delivery], worker: str) -> list[MachineAction]:
    return [
        MachineAction("C", f"message.{d.status.value}", worker, d.patient_id, "inboundmessage", str(d.message_id))
        for d in deliveries
    ]
