"""Dead letters on their way: out to `interconnect:dlq`, and back in by replay."""

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Length, Now

from epicops import keys
from epicops.crypto import is_sealed, ring
from epicops.redis_client import Redis
from interconnect.consumer.canary import WORKER_CRASH
from interconnect.consumer.delivery import Delivery
from interconnect.consumer.queue import OVERSIZE, first_fitting
from interconnect.dlq.second_look import IN_FORCE
from interconnect.models import DeadLetter, ReplayMode, Revision

OUTBOX_SLICE = 200


def push_outbox(client: Redis) -> int:
    """Put dead letters that are not yet on `interconnect:dlq` there, oldest first; return how many.

    A crash between the push and the mark repeats entries: readers tell them apart by `id`.
    """
    pushed = 0
    waiting = DeadLetter.objects.filter(pushed_at=None).order_by("id")
    while letters := _first(waiting, OUTBOX_SLICE):
        client.lpush(keys.DLQ, *(json.dumps(entry(letter), ensure_ascii=False) for letter in letters))
        pushed += DeadLetter.objects.filter(pk__in=[letter.pk for letter in letters]).update(pushed_at=Now())
    return pushed


def entry(letter: DeadLetter) -> dict[str, Any]:
    """Return what other systems read on the list; `raw` is text where it is UTF-8, else `raw_base64`, `raw_sealed`.

    Of a message that is too large to be read it is left out.
    """
    message = letter.message
    return {
        "v": 1,
        "id": letter.pk,
        **({} if "raw" in message.get_deferred_fields() else _body(bytes(message.raw))),
        "error": {
            "class": letter.error_class,
            "code": letter.error_code,
            "path": letter.error_path,
            "message": letter.error_text,
        },
        "msh10": message.control_id,
        "type": message.message_type,
        "failed_at": letter.failed_at.isoformat(),
        "replay_of": message.replay_of_id,
    }


def _body(raw: bytes) -> dict[str, str]:
    if is_sealed(sealed := ring().seal(raw, "message")):
        return {"raw_sealed": base64.b64encode(sealed).decode()}
    return plain_body(raw)


def plain_body(raw: bytes) -> dict[str, str]:
    """Return the message for JSON: `raw` where it is UTF-8, else `raw_base64`."""
    try:
        return {"raw": raw.decode()}
    except UnicodeDecodeError:
        return {"raw_base64": base64.b64encode(raw).decode()}


def requested_replays(limit: int) -> Sequence[Delivery]:
    """Return the messages an operator wants delivered again, as last edited, in the order they first came.

    No more at once than `limit`, nor than one claim may have. One that must respect newer messages comes alone: what it
    may do depends on those before it. So does one at which workers died: the others need not wait for another death.
    """
    wanted = DeadLetter.objects.filter(state=DeadLetter.State.REPLAYING)
    letters = _first(wanted.order_by("message_id"), limit)
    alone = [place for place, letter in enumerate(letters) if _comes_alone(letter)]
    letters = letters[: max(alone[0], 1)] if alone else letters
    return [
        Delivery(ordinal, raw, letter.message_id, has_killed=_has_killed(letter), mode=letter.replay_mode)
        for ordinal, (letter, raw) in enumerate(zip(letters, as_last_edited(letters), strict=True))
    ]


def _comes_alone(letter: DeadLetter) -> bool:
    return letter.replay_mode != ReplayMode.ANYWAY or _has_killed(letter)


def _has_killed(letter: DeadLetter) -> bool:
    return letter.error_class == WORKER_CRASH


def _first(letters: QuerySet[DeadLetter], limit: int) -> list[DeadLetter]:
    """Return the first of these letters with their messages, as many as fit into memory."""
    sized = dict(letters.values_list("pk", Length("message__raw"))[:limit])
    fitting = first_fitting(sized.items())
    rows = letters.filter(pk__in=fitting).select_related("message")
    is_oversize = any(sized[pk] > OVERSIZE for pk in fitting)  # and so comes alone
    return list(rows.defer("message__raw") if is_oversize else rows)


def as_last_edited(letters: Iterable[DeadLetter]) -> list[bytes]:
    """Return what a replay of each of these letters delivers: its newest revision, else the message as it came."""
    letters = list(letters)
    revisions = Revision.objects.filter(message__in=[letter.message_id for letter in letters], consent__in=IN_FORCE)
    newest = dict(revisions.order_by("pk").values_list("message", "raw"))
    return [bytes(newest.get(letter.message_id, letter.message.raw)) for letter in letters]
