"""Batches, what is in flight, and the account that shows whether a message was lost."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from redis.exceptions import RedisError

from audit.admin import record
from epicops.admin_site import ReadOnlyModelAdmin, timestamp
from epicops.redis_client import queue_web_client
from interconnect.admin.holds import held_back
from interconnect.consumer.inflight import claims, flight, suspect
from interconnect.consumer.lanes import MOST
from interconnect.consumer.ownership import Owner, end_owner, owners
from interconnect.consumer.queue import made_at
from interconnect.models import Batch, DeadLetter, InboundMessage
from interconnect.reconciliation import LaneCounts, reconcile

LABELS = dict(InboundMessage.Status.choices) | {
    "dead": "Dead, replayed since or not",
    "discarded": DeadLetter.State.DISCARDED.label,
}
ANOTHER = "Another claim is in flight by now: nothing was done."


class Lane(NamedTuple):
    """What the page says of one lane."""

    number: int
    counts: LaneCounts
    owner: Owner | None
    claimed_at: datetime | None


class OrderForm(forms.Form):
    """What is to happen to the claim that the page showed."""

    verb = forms.ChoiceField(choices=[(verb, verb) for verb in ("release", "one-by-one", "quarantine")])
    batch = forms.UUIDField()
    ordinal = forms.IntegerField(required=False, min_value=0)


@admin.register(Batch)
class BatchAdmin(ReadOnlyModelAdmin[Batch]):
    intro = "What the worker committed, one transaction each. In flight and reconciliation says whether it adds up."
    change_list_template = "admin/interconnect/batch/list.html"
    list_display = ("when", "size", "worker")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("flow/", view(self.flow), name="interconnect_batch_flow"),
            path("flow/order/", view(require_POST(self.order)), name="interconnect_batch_order"),
            *super().get_urls(),
        ]

    @admin.display(description="committed at")
    def when(self, batch: Batch) -> SafeString | str:
        return timestamp(batch.committed_at)

    def has_release_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("interconnect.release_batch")

    def flow(self, request: HttpRequest) -> HttpResponse:
        """Show what is in flight, who owns the queue, and whether every message that was pushed is accounted for."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": "In flight and reconciliation",
            "opts": self.opts,
            "now": timezone.now(),
            "last": Batch.objects.first(),
            "held_back": held_back(),
            "may_resume": request.user.has_perm("interconnect.resume_pause"),
            "may_release": self.has_release_permission(request),
        }
        try:
            context |= _standing(request.GET.get("lane", ""))
        except RedisError:
            context["is_queue_away"] = True
        return TemplateResponse(request, "admin/interconnect/batch/flow.html", context)

    def order(self, request: HttpRequest) -> HttpResponse:
        """Release the claim, have it taken one by one, or put one of its messages aside; then show the page again."""
        if not self.has_release_permission(request):
            raise PermissionDenied
        form = OrderForm(request.POST)
        try:
            if form.is_valid():
                self._carry_out(request, **form.cleaned_data)
            else:
                messages.error(request, "That names no claim: nothing was done.")
        except RedisError:
            messages.error(request, "Redis is away: nothing was done.")
        return HttpResponseRedirect(reverse("admin:interconnect_batch_flow"))

    @transaction.atomic
    def _carry_out(self, request: HttpRequest, verb: str, batch: UUID, ordinal: int | None) -> None:
        record(request, "E", f"claim.{verb}", "batch", batch, detail={} if ordinal is None else {"ordinal": ordinal})
        client = queue_web_client()
        lane = next((lane for lane, claim in enumerate(claims(client, MOST + 1)) if claim == batch), None)
        if lane is None or (verb != "release" and not suspect(client, batch, ordinal, lane)):
            messages.warning(request, ANOTHER)
        elif end_owner(lane):
            messages.success(request, "Its owner's session was ended: a worker takes the claim up again at once.")
        else:
            messages.warning(request, "It has no owner: the claim waits for the next worker.")


def _standing(chosen: str) -> dict[str, Any]:
    """Return the account, what each lane has, and the claim of the chosen one, else of the one that waits longest."""
    client = queue_web_client()
    account, owned = reconcile(client), owners()
    in_flight = claims(client, len(account.lanes))
    lanes = [
        Lane(number, counts, owned.get(number), made_at(batch) if batch else None)
        for number, (counts, batch) in enumerate(zip(account.lanes, in_flight, strict=True))
    ]
    oldest = min((batch, number) for number, batch in enumerate(in_flight) if batch)[1] if any(in_flight) else 0
    lane = int(chosen) if chosen in map(str, range(len(lanes))) else oldest
    return {
        "account": account,
        "rows": [(LABELS.get(status, status), number) for status, number in account.rows.items()],
        "lanes": lanes,
        "lane": lane,
        "owner": owned.get(lane),
        "flight": flight(client, lane),
    }
