"""The HTTP door: one message per POST, stored and answered as MLLP's are."""

from contextlib import suppress

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from epicops.breaker import Breaker
from epicops.redis_client import queue_door_client
from interconnect.models import HttpSender
from interconnect.wire.ack import reply
from interconnect.wire.intake import Intake
from interconnect.wire.mllp import HEAD, MAX_FRAME
from interconnect.wire.objections import NOT_STORED, OVERSIZE, UNFINISHED, Objection, of_payload
from interconnect.wire.refused import Refusal, RefusalLog

CONTENT_TYPE = "application/hl7-v2"
STATUS_OF = {"AA": 200, "AE": 503, "AR": 422}
TOO_LARGE = 413

breaker = Breaker("queue")
refusals = RefusalLog()


@csrf_exempt  # a token in a header, no cookie
@require_POST
def deliver(request: HttpRequest) -> HttpResponse:
    """Take one message; the body of the answer is its acknowledgment, 204 when the sender asked for none."""
    try:
        sender = HttpSender.objects.with_token(request.headers.get("Authorization", "").removeprefix("Bearer "))
    except (DatabaseError, InterfaceError):
        return HttpResponse(status=503, headers={"Retry-After": "5"})  # nobody can be recognised: send it again
    if sender is None:
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    if request.content_type != CONTENT_TYPE:
        return HttpResponse(f"Send {CONTENT_TYPE}\n", status=415, content_type="text/plain")
    raw = request.read(MAX_FRAME + 1)
    if (no := _objection(raw, int(request.META.get("CONTENT_LENGTH") or 0))) is not None:
        return _refused(raw, no, sender)
    # A new look at the inbox for each request: another process may have taken this sender's last message.
    if Intake(queue_door_client(), breaker).store([raw]):
        return _answer(reply(raw, "AA"), STATUS_OF["AA"])
    return _answer(reply(raw, NOT_STORED.code, error=NOT_STORED.error), STATUS_OF["AE"])


def _objection(raw: bytes, announced: int) -> Objection | None:
    """Say what speaks against a body. Of one that was cut off the server gives what has come, without a word."""
    if len(raw) > MAX_FRAME:
        return OVERSIZE
    return UNFINISHED if len(raw) < announced else of_payload(raw)


def _refused(raw: bytes, no: Objection, sender: HttpSender) -> HttpResponse:
    answer = reply(raw[:HEAD] if no is OVERSIZE else raw, no.code, error=no.error)
    refusals.add(Refusal(no.error.text, len(raw), raw, answer), f"HTTP {sender}"[:45])
    with suppress(DatabaseError, InterfaceError):  # kept for the next one
        refusals.flush()
    return _answer(answer, TOO_LARGE if no is OVERSIZE else STATUS_OF[no.code])


def _answer(acknowledgment: bytes | None, status: int) -> HttpResponse:
    """Return the acknowledgment; a failure has its status also where no acknowledgment is wanted."""
    if acknowledgment is None:
        return HttpResponse(status=204 if status == STATUS_OF["AA"] else status)
    headers = {"Retry-After": "5"} if status == STATUS_OF["AE"] else {}
    return HttpResponse(acknowledgment, status=status, content_type=CONTENT_TYPE, headers=headers)
