"""Replay: a count to confirm, the request to the worker, the audit event."""

from collections.abc import Iterable

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest
from django.db import transaction
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from audit.models import AuditEvent
from epicops.admin_site import operator
from interconnect.models import DeadLetter, DeadLetterQuerySet

GROUPS_SHOWN = 20


def replay(request: HttpRequest, letters: DeadLetterQuerySet, back: str) -> HttpResponse:
    """Ask how many are meant; once confirmed, hand them to the worker and return to `back`."""
    if request.POST.get("select_across") == "1" and "up_to" in request.POST:
        letters = letters.filter(pk__lte=_newest_counted(request))
    if "post" not in request.POST:
        return _confirmation(request, letters, back)
    count = _request_replay(request, letters)
    outcome = reverse("admin:interconnect_deadletter_changelist") + "?state=replayed"
    if count:
        text = format_html('{} queued for replay. <a href="{}">See what becomes of it</a>', count, outcome)
        messages.success(request, text)
    else:
        messages.warning(request, "Nothing to replay: none of these is open any more.")
    return HttpResponseRedirect(back)


def _newest_counted(request: HttpRequest) -> int:
    """Return the newest id that was in the confirmed count: what died since then was not asked about."""
    try:
        return int(request.POST["up_to"])
    except ValueError:
        raise BadRequest("up_to is not a number") from None


def _confirmation(request: HttpRequest, letters: DeadLetterQuerySet, back: str) -> HttpResponse:
    found = letters.order_by().aggregate(number=Count("pk"), newest=Max("pk"))
    groups = letters.open().order_by().values("error_class", "error_path", "message__message_type")
    by_count = groups.annotate(number=Count("pk")).order_by("-number", "error_class")
    open_count = letters.open().count()
    context = {
        **admin.site.each_context(request),
        "title": "Replay dead letters",
        "opts": DeadLetter._meta,
        "count": open_count,
        "left_out": found["number"] - open_count,
        "groups": by_count[:GROUPS_SHOWN],
        "hidden": _hidden_fields(request, found["newest"]),
        "back": back,
    }
    return TemplateResponse(request, "admin/interconnect/deadletter/replay_confirmation.html", context)


def _hidden_fields(request: HttpRequest, newest: int | None) -> Iterable[tuple[str, object]]:
    """Return what makes the confirming request mean the same rows as this one."""
    across = request.POST.get("select_across", "0")
    selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
    # One is enough with "all matching", but Django wants one.
    kept = selected[:1] if across == "1" else selected
    return [
        ("action", "replay_selected"),
        ("select_across", across),
        ("up_to", newest or 0),
        *((ACTION_CHECKBOX_NAME, pk) for pk in kept),
    ]


@transaction.atomic
def _request_replay(request: HttpRequest, letters: DeadLetterQuerySet) -> int:
    chosen = DeadLetter.objects.filter(pk__in=letters.open().order_by().values("pk"))
    ids = list(chosen.open().select_for_update().order_by("pk").values_list("pk", flat=True))
    if not ids:
        return 0
    person = operator(request)
    DeadLetter.objects.filter(pk__in=ids).request_replay(by=person)
    AuditEvent.objects.record(
        AuditEvent.Action.EXECUTE,
        "message.replay",
        actor=person,
        request=request,
        object_type="deadletter",
        object_id=ids[0] if len(ids) == 1 else "",
        detail={"count": len(ids), "ids": ids},
    )
    return len(ids)
