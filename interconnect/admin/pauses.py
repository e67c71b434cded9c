"""Pauses: what is stopped, by whom and why; stopping and resuming. One patient's messages: see holds.py."""

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from epicops.admin_site import ReadOnlyModelAdmin, badge, operator, timestamp
from interconnect.admin.holds import hold, release
from interconnect.consumer.pausing import pause, resume
from interconnect.models import Pause


class PauseForm(forms.ModelForm[Pause]):
    scope = forms.ChoiceField(choices=Pause.NAMED_SCOPES, label="Stop")
    minutes = forms.IntegerField(
        required=False, min_value=1, max_value=60 * 24 * 30, help_text="Ends by itself; empty: when somebody resumes it"
    )

    class Meta:
        model = Pause
        fields = ("scope", "value", "reason")
        labels: ClassVar = {"value": "Which type or facility"}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if minutes := cleaned.get("minutes"):
            self.instance.until = timezone.now() + timedelta(minutes=minutes)
        return cleaned


@admin.register(Pause)
class PauseAdmin(ReadOnlyModelAdmin[Pause]):
    intro = "Kinds of messages that wait on purpose. They are applied in order when the pause ends."
    form = PauseForm
    list_display = ("what", "state", "why", "since")  # the last two are off a phone's screen
    list_select_related = ("paused_by", "resumed_by")
    actions = ("resume_selected",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("hold/<int:pk>/", view(hold), name="interconnect_pause_hold"),  # the number of a message
            path("<int:pk>/release/", view(release), name="interconnect_pause_release"),
            *super().get_urls(),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("interconnect.add_pause")

    def has_resume_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("interconnect.resume_pause")

    def get_fields(self, request: HttpRequest, obj: Pause | None = None) -> tuple[str, ...]:
        ended = ("message", "paused_by", "paused_at", "until", "resumed_by", "resumed_at", "settled_at")
        return ("scope", "value", "reason", *(ended if obj else ("minutes",)))

    def save_model(self, request: HttpRequest, obj: Pause, form: forms.ModelForm[Pause], change: Any) -> None:
        pause(obj, by=operator(request))

    @admin.action(description="Resume selected", permissions=("resume",))
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Pause]) -> None:
        meant = Pause.objects.filter(pk__in=queryset.values("pk"))
        messages.success(request, f"{resume(meant, by=operator(request))} resumed.")

    @admin.display(description="stopped")
    def what(self, pause: Pause) -> SafeString:
        what = pause.what if pause.message_id else pause.value or "everything"
        return format_html("{}<small>{}</small>", what[:1].upper() + what[1:], pause.get_scope_display())

    @admin.display(description="reason")
    def why(self, pause: Pause) -> SafeString:
        return format_html("{}<small>{}</small>", pause.reason, pause.paused_by.get_username())

    @admin.display(description="since")
    def since(self, pause: Pause) -> SafeString:
        until = timestamp(pause.until) if pause.until else "resumed"
        return format_html("{}<small>until {}</small>", timestamp(pause.paused_at), until)

    @admin.display(description="state")
    def state(self, pause: Pause) -> SafeString:
        if pause.is_in_force:
            return badge("held", "In force")
        return badge("resolved", "Over") if pause.settled_at else badge("replaying", "Applying what was held")
