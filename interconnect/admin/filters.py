"""Filters of the message and dead-letter lists."""

from collections.abc import Iterator
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest

from epicops.admin_site import COUNT_LIMIT, NamedDefaultFilter, RecentValuesFilter, pk_from
from epicops.passive import is_passive
from interconnect.dlq.failures import FailureGroup, FailureGroupQuerySet
from interconnect.models import DeadLetter, Revision

State = DeadLetter.State
REPLAYED = (State.REPLAYING, State.RESOLVED, State.FAILED_AGAIN)
COUNT = "SELECT %s, count(*) FROM (SELECT FROM interconnect_deadletter WHERE state = %s LIMIT %s) AS found"


class TypeFilter(RecentValuesFilter):
    title = "type"
    parameter_name = "message_type"


class SenderFilter(RecentValuesFilter):
    title = "sender"
    parameter_name = "sending_application"


class ErrorFilter(RecentValuesFilter):
    title = "error"
    parameter_name = "error_class"


class FailureValuesFilter(RecentValuesFilter):
    """Offers what the failures say of their letters' messages: there are far fewer of them."""

    def recent(self, model_admin: admin.ModelAdmin[Any]) -> QuerySet[Any, str]:
        field = str(self.parameter_name).removeprefix("message__")
        return FailureGroup.objects.order_by("-last_seen_at", "-pk").values_list(field, flat=True)


class DeadTypeFilter(FailureValuesFilter):
    title = "type"
    parameter_name = "message__message_type"


class DeadSenderFilter(FailureValuesFilter):
    title = "sender"
    parameter_name = "message__sending_application"


class StateFilter(admin.SimpleListFilter):
    """Shows what waits for a person unless asked for more."""

    title = parameter_name = "state"

    STATES = {
        "": (State.OPEN,),
        State.REPLAYING: (State.REPLAYING,),
        State.RESOLVED: (State.RESOLVED,),
        State.FAILED_AGAIN: (State.FAILED_AGAIN,),
        State.DISCARDED: (State.DISCARDED,),
        "replayed": REPLAYED,
        "all": tuple(State),
    }

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Return every choice with its number of dead letters, of each state counted to COUNT_LIMIT."""
        if is_passive(request):
            return [(choice, "") for choice in self.STATES]  # a poll shows none
        with connection.cursor() as cursor:  # each state named in its own part, so that its index is used
            parts = [value for state in State.values for value in (state, state, COUNT_LIMIT)]
            cursor.execute(" UNION ALL ".join([COUNT] * len(State)), parts)
            counts = dict(cursor.fetchall())
        labels = {"": State.OPEN.label, "replayed": "Any replay", "all": "All", **dict(State.choices)}
        return [
            (choice, f"{labels[choice]} ({_number([counts[state] for state in included])})")
            for choice, included in self.STATES.items()
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        try:
            return queryset.filter(state__in=self.STATES[self.value() or ""])
        except KeyError:
            raise IncorrectLookupParameters from None

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        for choice, words in self.lookup_choices:
            change = {"new_params": {str(self.parameter_name): choice}} if choice else {"remove": [self.parameter_name]}
            yield {
                "selected": (self.value() or "") == choice,
                "query_string": changelist.get_query_string(**change),
                "display": words,
            }


def _number(counts: list[int]) -> str:
    return f"{sum(counts):,}" + ("+" if COUNT_LIMIT in counts else "")


class RowFilter(admin.SimpleListFilter):
    """Rows that belong to the one that the address names; offered by links from that one's page only."""

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        chosen = self.value()
        return [(chosen, f"#{chosen}")] if chosen else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not (chosen := self.value()):
            return queryset
        if (pk := pk_from(chosen)) is None:
            raise IncorrectLookupParameters
        return queryset.filter(**{str(self.parameter_name): pk})


class GroupFilter(RowFilter):
    title = "failure"
    parameter_name = "group"


class DiscardFilter(RowFilter):
    title = "discard"
    parameter_name = "discard"


class RedriveFilter(RowFilter):
    title = "redrive"
    parameter_name = "redrive_items__redrive"


class SecondLookFilter(admin.SimpleListFilter):
    """Letters with an edit that waits for a second operator."""

    title, parameter_name = "second operator", "edit"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(Revision.Consent.WAITING, "Edit waits")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> QuerySet[DeadLetter]:
        if self.value() != Revision.Consent.WAITING:
            return queryset
        return queryset.filter(message__in=Revision.objects.filter(consent=self.value()).values("message"))


class TriageFilter(NamedDefaultFilter):
    """Shows the failures that want somebody now unless asked for others."""

    title = "state"
    parameter_name = "triage"
    default = "Waiting"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        mine = ("mine", "Mine")
        return [mine, *FailureGroup.State.choices, ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[FailureGroup]) -> QuerySet[FailureGroup]:
        match self.value():
            case None:
                return cast("FailureGroupQuerySet", queryset).waiting()
            case "mine":
                return queryset.filter(owner=request.user.pk).exclude(state=FailureGroup.State.RESOLVED)
            case "all":
                return queryset
            case state if state in FailureGroup.State.values:
                return queryset.filter(state=state)
        raise IncorrectLookupParameters
