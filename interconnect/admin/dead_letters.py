"""Dead letters: read why a message could not be applied, and have it delivered again."""

from typing import Any, Protocol, cast

from django.contrib import admin
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from epicops.admin_site import badge, timestamp
from interconnect.admin.discard import discard_letters
from interconnect.admin.edit import EDIT, decide, edit, revisions
from interconnect.admin.filters import (
    DeadSenderFilter,
    DeadTypeFilter,
    DiscardFilter,
    ErrorFilter,
    GroupFilter,
    RedriveFilter,
    SecondLookFilter,
    StateFilter,
)
from interconnect.admin.message_list import ACTIONS, MessageListAdmin
from interconnect.admin.messages import message_panels, sender
from interconnect.admin.redrive import redrive_letters
from interconnect.admin.repairs import known_repairs
from interconnect.admin.replay import replay
from interconnect.admin.search import LetterSearchFilter
from interconnect.admin.selection import ActsOnLetters
from interconnect.models import DeadLetter, DeadLetterQuerySet, InboundMessage

REPLAYS = Prefetch("message__replays", InboundMessage.objects.only("id", "status", "replay_of"))


class Act(Protocol):
    """What is done with dead letters: confirmed first, then done, then back to the page it was asked on."""

    def __call__(self, request: HttpRequest, letters: DeadLetterQuerySet, back: str) -> HttpResponse: ...


@admin.register(DeadLetter)
class DeadLetterAdmin(ActsOnLetters, MessageListAdmin[DeadLetter]):
    intro = "Messages that could not be applied, one by one. Those of one cause are together under Failures."
    list_display = ("when", "error", "sent", "patient_hint", "outcome")
    list_filter = (
        StateFilter,
        LetterSearchFilter,
        GroupFilter,
        DiscardFilter,
        RedriveFilter,
        SecondLookFilter,
        ErrorFilter,
        DeadTypeFilter,
        DeadSenderFilter,
    )
    list_select_related = ("message",)
    actions = ("replay_selected", "redrive_selected", "discard_selected", *ACTIONS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        return super().get_queryset(request).defer("message__raw").prefetch_related(REPLAYS)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/replay/", view(require_POST(self.replay_one)), name="interconnect_deadletter_replay"),
            path("<int:pk>/edit/", view(edit), name="interconnect_deadletter_edit"),
            path("<int:pk>/decide/", view(require_POST(decide)), name="interconnect_deadletter_decide"),
            path("<int:pk>/discard/", view(require_POST(self.discard_one)), name="interconnect_deadletter_discard"),
            *super().get_urls(),
        ]

    def version_of(self, row: DeadLetter) -> object:
        return row.pk, row.state, [replay.pk for replay in row.message.replays.all()]

    def message_of(self, row: DeadLetter) -> InboundMessage:
        return row.message

    def messages_of(self, rows: QuerySet[DeadLetter]) -> QuerySet[InboundMessage]:
        return InboundMessage.objects.filter(dead_letter__in=rows.order_by())

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        action = request.POST.get("action")
        if action and action not in self.get_actions(request):
            raise PermissionDenied
        return super().changelist_view(request, extra_context)

    @admin.action(description="Replay selected", permissions=("replay",))
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        return replay(request, cast("DeadLetterQuerySet", queryset), back=request.get_full_path())

    @admin.action(description="Redrive selected under supervision", permissions=("redrive",))
    def redrive_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        letters, selection = cast("DeadLetterQuerySet", queryset), request.GET.urlencode()
        return redrive_letters(request, letters, request.get_full_path(), selection)

    @admin.action(description="Discard selected", permissions=("discard",))
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse:
        return discard_letters(request, cast("DeadLetterQuerySet", queryset), back=request.get_full_path())

    def replay_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Replay the letter whose page this was asked on, and return there."""
        return self._act_on_one(request, pk, replay, may=self.has_replay_permission(request))

    def discard_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Discard the letter whose page this was asked on, and return there."""
        return self._act_on_one(request, pk, discard_letters, may=self.has_discard_permission(request))

    def _act_on_one(self, request: HttpRequest, pk: int, act: Act, *, may: bool) -> HttpResponse:
        if not may:
            raise PermissionDenied
        letter = get_object_or_404(DeadLetter, pk=pk)
        page = reverse("admin:interconnect_deadletter_change", args=[letter.pk])
        return act(request, letter_of(letter), back=f"{page}?{request.GET.urlencode()}")

    def opened(self, request: HttpRequest, obj: DeadLetter) -> dict[str, Any]:
        is_open = obj.state == DeadLetter.State.OPEN
        return message_panels(request, obj.message) | {
            "letter": obj,
            "may_replay": self.has_replay_permission(request) and letter_of(obj).replayable().exists(),
            "repairs": known_repairs(request, obj.group) if is_open else [],
            "may_edit": is_open and request.user.has_perms(EDIT),
            "revisions": (shown := revisions(request, obj.message)),
            "may_decide": bool(shown) and request.user.has_perms(EDIT) and shown[0][0].may_be_decided_by(request.user),
            "may_discard": is_open and self.has_discard_permission(request),
            "next_open": DeadLetter.objects.filter(state=DeadLetter.State.OPEN, pk__lt=obj.pk).only("pk").first(),
        }

    @admin.display(description="failed at")
    def when(self, letter: DeadLetter) -> SafeString:
        return format_html("{}<small>{}</small>", timestamp(letter.failed_at), naturaltime(letter.failed_at))

    @admin.display
    def error(self, letter: DeadLetter) -> SafeString:
        where = f"{letter.error_class} {letter.error_path}"
        return format_html("{}<small>{}</small>", letter.error_text, where)

    @admin.display(description="message")
    def sent(self, letter: DeadLetter) -> SafeString:
        return format_html("{}<small>{}</small>", letter.message.message_type or "-", sender(letter.message))

    @admin.display(description="state")
    def outcome(self, letter: DeadLetter) -> SafeString:
        """Say how far it is, and link what a replay was delivered as."""
        links = (
            (reverse("admin:interconnect_inboundmessage_change", args=[message.pk]), message)
            for message in letter.message.replays.all()
        )
        replays = format_html_join(", ", '<a href="{}">{}</a>', links)
        return format_html("{}<small>{}</small>", badge(letter.state, letter.get_state_display()), replays)


def letter_of(letter: DeadLetter) -> DeadLetterQuerySet:
    """Return this letter for what works on many."""
    return DeadLetter.objects.filter(pk=letter.pk)
