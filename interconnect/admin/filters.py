"""Filters of the message and dead-letter lists."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from epicops.admin_site import RecentValuesFilter
from interconnect.models import DeadLetter

State = DeadLetter.State
REPLAYED = (State.REPLAYING, State.RESOLVED, State.FAILED_AGAIN)


class TypeFilter(RecentValuesFilter):
    title = "type"
    parameter_name = "message_type"


class SenderFilter(RecentValuesFilter):
    title = "sender"
    parameter_name = "sending_application"


class ErrorFilter(RecentValuesFilter):
    title = "error"
    parameter_name = "error_class"


class DeadTypeFilter(RecentValuesFilter):
    title = "type"
    parameter_name = "message__message_type"


class DeadSenderFilter(RecentValuesFilter):
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
        "replayed": REPLAYED,
        "all": tuple(State),
    }

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Return every choice with its number of dead letters."""
        states = DeadLetter.objects.order_by().values_list("state")
        counts = dict(states.annotate(number=Count("pk")))
        labels = {"": State.OPEN.label, "replayed": "Any replay", "all": "All", **dict(State.choices)}
        return [
            (choice, f"{labels[choice]} ({sum(counts.get(state, 0) for state in included):,})")
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
