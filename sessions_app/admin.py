"""People and their live sessions, for operators. Session ids appear nowhere: handles only."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from audit.admin import AuditedModelAdmin, record
from epicops.admin_site import COUNT_LIMIT, ReadOnlyModelAdmin, operator, timestamp
from epicops.portal import DOORS
from sessions_app import break_glass
from sessions_app.admin_filters import (
    DepartmentFilter,
    IdleFilter,
    OpenFilter,
    PortalFilter,
    RoleFilter,
    StateFilter,
    shows_ended,
    tallies,
)
from sessions_app.live import Reason, end_sessions, follow
from sessions_app.models import BreakGlass, BreakGlassQuerySet, SessionRecord, User
from sessions_app.second_factor import remove
from sessions_app.trust import trust

EVERYBODY = "end all sessions"  # what is typed to confirm it


for device in (StaticDevice, TOTPDevice):
    admin.site.unregister(device)  # their pages show secrets; `second_factor.py` is the way


@admin.register(User)
class UserAdmin(AuditedModelAdmin[User], DjangoUserAdmin[User]):
    """People are deactivated, never deleted: what they did names them. Their live sessions follow what is changed."""

    intro = "Everybody who signs in anywhere. A role opens a portal; staff status and rights open these pages."
    list_display = ("username", "role", "department", "is_active", "is_staff", "last_login")
    list_filter = ("role", "is_active", "is_staff", "groups")
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (*(DjangoUserAdmin.fieldsets or ()), ("Work", {"fields": ("role", "department")}))
    actions = ("remove_second_factor",)
    add_fieldsets = (*DjangoUserAdmin.add_fieldsets, ("Work", {"fields": ("role", "department")}))

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool) -> None:  # noqa: FBT001  Django's signature
        super().save_model(request, obj, form, change)
        if change:  # once it is true for everybody
            transaction.on_commit(lambda: follow(obj, actor=operator(request), request=request))

    @admin.action(description="Switch the second factor of selected users off", permissions=("change",))
    def remove_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        people = list(queryset.filter(has_second_factor=True))
        for person in people:
            remove(request, person)
        self.message_user(request, f"{len(people)} switched off.", messages.SUCCESS)


admin.site.unregister(Group)  # the stock page tells the audit nothing


@admin.register(Group)
class GroupAdmin(AuditedModelAdmin[Group], DjangoGroupAdmin):
    intro = "Rights that people have together. A person's own are on their page."

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return request.user.has_perm("auth.delete_group")


@admin.register(SessionRecord)
class SessionAdmin(ReadOnlyModelAdmin[SessionRecord]):
    """What the registry knows. It is the same list whichever store answers, and the activity may be a minute old."""

    ordering = ("-last_activity",)
    list_display = ("handle", "person", "role", "department", "portal", "active", "started")
    list_filter = (StateFilter, PortalFilter, RoleFilter, DepartmentFilter, IdleFilter)
    search_fields = ("handle__exact",)
    search_help_text = "A session's handle, as in the audit trail: why did it end?"
    actions = ("end_selected",)
    fields = (
        *(
            "handle",
            "person",
            "role",
            "department",
            "portal",
            "locked",
            "bg_until",
            "bg_ref",
            "idle_limit",
            "locks_after",
        ),
        *("started_at", "last_activity", "deadline", "ended_at", "end_reason", "ended_by"),
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.end_everybody)
        return [path("end-all/", view, name="sessions_app_end_all"), *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return (*self.list_display, "ended", "end_reason") if shows_ended(request) else self.list_display

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("sessions_app.end_session")

    @admin.action(description="End selected sessions", permissions=("end",))
    def end_selected(self, request: HttpRequest, queryset: QuerySet[SessionRecord]) -> None:
        chosen = list(queryset.values_list("pk", flat=True))
        ended = end_sessions(Q(pk__in=chosen), Reason.ADMIN, actor=operator(request), request=request)
        self.message_user(request, f"{len(ended)} sessions ended.", messages.SUCCESS)

    def end_everybody(self, request: HttpRequest) -> HttpResponse:
        """End the sessions of a user, of a portal, or all of them; the words have to be typed."""
        if not self.has_end_permission(request):
            return redirect("admin:sessions_app_sessionrecord_changelist")
        which = {name: request.POST.get(name, "").strip() for name in ("username", "portal", "confirmation")}
        if request.method == "POST" and which["confirmation"] == EVERYBODY:
            ended = end_sessions(self.chosen(which), Reason.ADMIN, actor=operator(request), request=request)
            self.message_user(request, f"{len(ended)} sessions ended.", messages.SUCCESS)
            return redirect("admin:sessions_app_sessionrecord_changelist")
        shown = {"title": "End sessions", "phrase": EVERYBODY, "portals": list(DOORS)}
        context = {**self.admin_site.each_context(request), **shown, **which}
        return TemplateResponse(request, "admin/sessions_app/end_all.html", context)

    @staticmethod
    def chosen(which: Mapping[str, str]) -> Q:
        """Return the condition for what was filled in; empty fields choose everybody."""
        condition = Q(portal=which["portal"]) if which["portal"] else Q()
        if which["username"]:
            users = User.objects.filter(username=which["username"]).values_list("pk", flat=True)
            condition &= Q(user_id__in=list(users))
        return condition

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        store = "Redis" if trust.is_redis() else "PostgreSQL, because Redis is away"
        counts = {"live": dict(tallies(request)["portal"].most_common()), "store": store}
        response = super().changelist_view(request, {**counts, **(extra_context or {})})
        record(request, "R", "session.list")
        return response

    def get_paginator(self, request: HttpRequest, *args: Any, **options: Any) -> Paginator[Any]:
        paginator = super().get_paginator(request, *args, **options)
        if not request.GET:  # all that is live, which has just been counted
            paginator.count = min(tallies(request)["portal"].total(), COUNT_LIMIT)
        return paginator

    def get_queryset(self, request: HttpRequest) -> QuerySet[SessionRecord]:
        names = User.objects.filter(pk=OuterRef("user_id")).values("username")
        return super().get_queryset(request).defer("data", "sealed_id").annotate(username=Subquery(names))

    @admin.display(description="user")
    def person(self, record: SessionRecord) -> str:
        return getattr(record, "username", None) or "-"

    @admin.display
    def idle_limit(self, record: SessionRecord) -> str:
        return minutes(record.idle)

    @admin.display
    def locks_after(self, record: SessionRecord) -> str:
        return minutes(record.lock)

    @admin.display(description="last activity")
    def active(self, record: SessionRecord) -> SafeString | str:
        return timestamp(record.last_activity)

    @admin.display(description="started")
    def started(self, record: SessionRecord) -> SafeString | str:
        return timestamp(record.started_at)

    @admin.display(description="ended")
    def ended(self, record: SessionRecord) -> SafeString | str:
        return timestamp(record.ended_at)


def minutes(milliseconds: int) -> str:
    """Say how long nobody has to do anything for it."""
    return f"{milliseconds / 60_000:g} minutes without activity" if milliseconds else "never"


@admin.register(BreakGlass)
class BreakGlassAdmin(ReadOnlyModelAdmin[BreakGlass]):
    """Emergency accesses: who went beyond their own wards, why, and until when."""

    intro = "Who opened wards that were not their own, and why. What was seen with it is in the audit trail."
    ordering = ("-pk",)
    list_display = ("began", "user", "reason", "explanation", "ends", "closed", "how")
    list_filter = (OpenFilter, "reason")
    list_select_related = ("user",)
    actions = ("close_selected",)

    def has_close_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("sessions_app.close_breakglass")

    @admin.action(description="Close selected accesses", permissions=("close",))
    def close_selected(self, request: HttpRequest, queryset: BreakGlassQuerySet) -> None:
        which = Q(pk__in=list(queryset.values_list("pk", flat=True)))
        count = break_glass.close(which, BreakGlass.End.ADMIN, actor=operator(request), request=request)
        self.message_user(request, f"{count} accesses closed.", messages.SUCCESS)

    @admin.display(description="opened")
    def began(self, access: BreakGlass) -> SafeString | str:
        return timestamp(access.opened_at)

    @admin.display(description="open until")
    def ends(self, access: BreakGlass) -> SafeString | str:
        return timestamp(access.until)

    @admin.display(description="closed")
    def closed(self, access: BreakGlass) -> SafeString | str:
        return timestamp(access.closed_at)

    @admin.display(description="why")
    def how(self, access: BreakGlass) -> str:
        return access.get_closed_by_display()
