"""Rows that an action was asked for, and the same rows once more when it is confirmed."""

from collections.abc import Iterable

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest
from django.db.models import Count, Max
from django.http import HttpRequest
from django.template.response import TemplateResponse

from interconnect.models import DeadLetter, DeadLetterQuerySet

GROUPS_SHOWN = 20


def confirmed_only(request: HttpRequest, letters: DeadLetterQuerySet) -> DeadLetterQuerySet:
    """Leave out what died after the count that was confirmed: nobody was asked about it."""
    if "up_to" not in request.POST:
        return letters
    try:
        return letters.filter(pk__lte=int(request.POST["up_to"]))
    except ValueError:
        raise BadRequest("up_to is not a number") from None


def confirmation(request: HttpRequest, letters: DeadLetterQuerySet, verb: str, **context: object) -> TemplateResponse:
    """Ask whether these letters are meant, on the page `<verb>_confirmation.html`."""
    found = summary(letters)
    context |= {
        **admin.site.each_context(request),
        **found,
        "title": f"{verb.capitalize()} dead letters",
        "opts": DeadLetter._meta,
        "hidden": hidden_fields(request, found["newest"]),
    }
    return TemplateResponse(request, f"admin/interconnect/deadletter/{verb}_confirmation.html", context)


def summary(letters: DeadLetterQuerySet) -> dict[str, object]:
    """Return how many of the letters are open, how many are not, and what they failed with."""
    found = letters.order_by().aggregate(number=Count("pk"), newest=Max("pk"))
    groups = letters.open().order_by().values("error_class", "error_path", "message__message_type")
    open_count = letters.open().count()
    return {
        "count": open_count,
        "left_out": found["number"] - open_count,
        "newest": found["newest"] or 0,
        "groups": groups.annotate(number=Count("pk")).order_by("-number", "error_class")[:GROUPS_SHOWN],
    }


def hidden_fields(request: HttpRequest, newest: object) -> Iterable[tuple[str, object]]:
    """Return what makes the confirming request mean the same rows as this one."""
    across = request.POST.get("select_across", "0")
    selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
    # One is enough with "all matching", but Django wants one.
    kept = selected[:1] if across == "1" else selected
    return [
        ("action", request.POST.get("action", "")),
        ("select_across", across),
        ("up_to", newest),
        *((ACTION_CHECKBOX_NAME, pk) for pk in kept),
    ]


class ActsOnLetters:
    """Who may replay, redrive or discard dead letters, for the admin pages that offer it."""

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("interconnect.replay_deadletter")

    def has_redrive_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("interconnect.redrive_deadletter")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("interconnect.discard_deadletter")
