"""What is held back by pauses, and one patient's messages in particular: holding them, and letting them go."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar, NamedTuple

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from epicops.admin_site import operator
from interconnect.consumer.holds import held_by, named_in
from interconnect.consumer.pausing import held_counts, pause, resume
from interconnect.models import DeadLetter, InboundMessage, Pause

MAX_MINUTES = 24 * 60


class HoldForm(forms.ModelForm[Pause]):
    minutes = forms.IntegerField(min_value=1, max_value=MAX_MINUTES, initial=60, label="Minutes, at most")

    class Meta:
        model = Pause
        fields = ("reason",)
        widgets: ClassVar = {"reason": forms.TextInput(attrs={"size": 40})}


class HeldBack(NamedTuple):
    """A pause of a part of the messages, and how many it has kept back so far."""

    pause: Pause
    waiting: int


@require_POST
def hold(request: HttpRequest, pk: int) -> HttpResponse:
    """Have later messages of this message's patient wait; then show its page again."""
    if not request.user.has_perms(("interconnect.add_pause", "interconnect.view_inboundmessage")):
        raise PermissionDenied
    message = get_object_or_404(InboundMessage, pk=pk)
    form = HoldForm(request.POST)
    if not form.is_valid():
        messages.error(request, "A hold wants a reason and up to 1,440 minutes: nothing was held.")
    elif not named_in(bytes(message.raw)):
        messages.error(request, "This message names no patient: nothing was held.")
    else:
        until = timezone.now() + timedelta(minutes=form.cleaned_data["minutes"])
        begun = Pause(scope=Pause.Scope.PATIENT, message=message, reason=form.cleaned_data["reason"], until=until)
        pause(begun, by=operator(request))
        messages.success(request, "What comes for this patient from now on waits.")
    return HttpResponseRedirect(_page(request, message))


@require_POST
def release(request: HttpRequest, pk: int) -> HttpResponse:
    """End the pause; then show the page of the message it was begun at, or the list."""
    if not request.user.has_perm("interconnect.resume_pause"):
        raise PermissionDenied
    ended = get_object_or_404(Pause.objects.select_related("message"), pk=pk)
    if resume(Pause.objects.filter(pk=pk), by=operator(request)):
        messages.success(request, "Released: what was held is applied in its order.")
    else:
        messages.warning(request, "It was over already.")
    back = _page(request, ended.message) if ended.message else reverse("admin:interconnect_pause_changelist")
    return HttpResponseRedirect(back)


def _page(request: HttpRequest, message: InboundMessage) -> str:
    """Return the page somebody works on a message at: its dead letter's where there is one."""
    letter = DeadLetter.objects.filter(message=message).first()
    if letter and request.user.has_perm("interconnect.view_deadletter"):
        return reverse("admin:interconnect_deadletter_change", args=[letter.pk])
    if request.user.has_perm("interconnect.view_inboundmessage"):
        return reverse("admin:interconnect_inboundmessage_change", args=[message.pk])
    return reverse("admin:interconnect_pause_changelist")


def held_back(pauses: Iterable[Pause] | None = None) -> list[HeldBack]:
    """Return these pauses with how many messages wait for each; all that have not let go of their last one."""
    waiting = held_counts()
    parts = Pause.objects.unsettled().exclude(scope=Pause.Scope.QUEUE).select_related("paused_by").order_by("pk")
    return [HeldBack(pause, waiting.get(pause.pk, 0)) for pause in (parts if pauses is None else pauses)]


def hold_panel(request: HttpRequest, raw: bytes) -> dict[str, Any]:
    """Return what a message's page says of holds of its patient, and the form that begins one."""
    holds = {pause.pk: pause for pause in unsettled_holds()}
    (hold,) = held_by([raw], holds)
    may_hold = hold is None and request.user.has_perm("interconnect.add_pause") and bool(named_in(raw))
    return {
        "held_back": held_back([holds[hold]]) if hold else [],
        "may_resume": request.user.has_perm("interconnect.resume_pause"),
        "hold_form": HoldForm(auto_id="hold_%s") if may_hold else None,
    }


def unsettled_holds() -> QuerySet[Pause]:
    """Return the holds that have not let go of their last message, with the message that says whose they are."""
    return Pause.objects.unsettled().holds().select_related("paused_by", "message").order_by("pk")
