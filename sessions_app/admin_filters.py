"""Filters of the live sessions, with how many there are of each."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.timezone import now

from epicops.admin_site import ExactFilter, NamedDefaultFilter
from sessions_app.models import SessionRecord

TALLIED: Final = ("portal", "role", "department")
IDLE: Final = {"1": (0, 1), "5": (1, 5), "15": (5, 15), "more": (15, 24 * 60)}  # minutes: at least, less than


def tallies(request: HttpRequest) -> Mapping[str, Counter[str]]:
    """Count the live sessions by portal, role and department; one query per request."""
    known: Mapping[str, Counter[str]] | None = getattr(request, "_session_tallies", None)
    if known is None:
        known = {field: Counter() for field in TALLIED}
        for *values, count in SessionRecord.objects.filter(ended_at=None).values_list(*TALLIED).annotate(Count("pk")):
            for field, value in zip(TALLIED, values, strict=True):
                known[field][value] += count
        request._session_tallies = known  # type: ignore[attr-defined]  # noqa: SLF001  where Django keeps its own
    return known


class TallyFilter(ExactFilter):
    """Exact match on the field `parameter_name`, offering what live sessions have."""

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        counts = tallies(request)[str(self.parameter_name)]
        return [(value, f"{value or '(none)'} ({count:,})") for value, count in sorted(counts.items())]


class PortalFilter(TallyFilter):
    title = parameter_name = "portal"


class RoleFilter(TallyFilter):
    title = parameter_name = "role"


class DepartmentFilter(TallyFilter):
    title = parameter_name = "department"


class IdleFilter(admin.SimpleListFilter):
    """By the time since the last activity, as far as the registry knows."""

    title, parameter_name = "unused for", "idle"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("1", "Up to a minute"), ("5", "1 to 5 minutes"), ("15", "5 to 15 minutes"), ("more", "15 and more")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if (chosen := self.value()) not in IDLE:
            return queryset
        least, less_than = (now() - timedelta(minutes=minutes) for minutes in IDLE[str(chosen)])
        return queryset.filter(last_activity__lte=least, last_activity__gt=less_than)


def shows_ended(request: HttpRequest) -> bool:
    """Whether the list has ended sessions: it was asked for them, or searches for one of whatever state."""
    return bool(request.GET.get("state") or request.GET.get("q"))


class StateFilter(NamedDefaultFilter):
    """Live sessions unless asked for the ended ones."""

    title = parameter_name = "state"
    default = "Live"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("ended", "Ended"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        is_one = request.resolver_match is None or "object_id" in request.resolver_match.kwargs
        if is_one or self.value() == "all" or (self.value() is None and shows_ended(request)):
            return queryset
        return queryset.filter(ended_at__isnull=self.value() != "ended")


class OpenFilter(admin.SimpleListFilter):
    """Break-glass accesses that are open, or closed."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("open", "Open"), ("closed", "Closed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(closed_at__isnull=self.value() == "open") if self.value() else queryset
