"""Alerts and their rules, for operators."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import floatformat
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit.admin import AuditedModelAdmin, record
from epicops.admin_site import NamedDefaultFilter, ReadOnlyModelAdmin, badge, operator, timestamp
from monitoring.metrics import METRICS
from monitoring.models import Alert, AlertQuerySet, AlertRule


class RuleForm(forms.ModelForm[AlertRule]):
    metric = forms.ChoiceField(choices=[(name, f"{name}: {spec.meaning}") for name, spec in METRICS.items()])


@admin.register(AlertRule)
class AlertRuleAdmin(AuditedModelAdmin[AlertRule]):
    """Rules are switched off, never deleted: alerts refer to them."""

    intro = "What deserves somebody's attention, and after how long. A rule is switched off, never deleted."
    form = RuleForm
    list_display = ("name", "severity", "metric", "label", "condition", "is_active")
    list_filter = ("is_active", "severity")

    def save_model(self, request: HttpRequest, obj: AlertRule, form: forms.ModelForm[AlertRule], change: bool) -> None:  # noqa: FBT001  Django's
        super().save_model(request, obj, form, change)
        if {"metric", "label"} & set(form.changed_data):  # nobody looks any more at what it watched until now
            obj.alerts.filter(ended_at=None).update(ended_at=timezone.now())

    @admin.display(description="when")
    def condition(self, rule: AlertRule) -> str:
        growth = f" within {rule.window} s" if rule.window else ""
        return f"{rule.get_comparison_display()} {floatformat(rule.threshold, '-2g')}{growth}, for {rule.hold} s"


class StateFilter(NamedDefaultFilter):
    """Alerts that go on, unless asked for others."""

    title = parameter_name = "state"
    default = "Going on"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        alerts = cast("AlertQuerySet", queryset)
        return alerts.filter(raised_at__isnull=False) if self.value() == "all" else alerts.unresolved()


@admin.register(Alert)
class AlertAdmin(ReadOnlyModelAdmin[Alert]):
    intro = "What deserves attention now, or did. Acknowledge one so that others know that somebody is on it."
    list_display = ("state", "about", "label", "measured", "began", "ended", "acknowledged_by")
    list_display_links = None
    view_on_site = False
    list_filter = (StateFilter, "rule__severity")
    list_select_related = ("rule", "acknowledged_by")
    actions = ("acknowledge",)

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("monitoring.acknowledge_alert")

    @admin.action(description="Acknowledge selected alerts", permissions=("acknowledge",))
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        person = operator(request)
        chosen = list(queryset.filter(acknowledged_by=None).values_list("pk", flat=True))
        Alert.objects.filter(pk__in=chosen).update(acknowledged_by=person, acknowledged_at=timezone.now())
        record(request, "U", "alert.acknowledge", "alert", detail={"ids": chosen})
        self.message_user(request, f"{len(chosen)} acknowledged.", messages.SUCCESS)

    @admin.display
    def state(self, alert: Alert) -> SafeString:
        if alert.ended_at:
            return badge("resolved", "Resolved")
        if alert.acknowledged_by_id:
            return badge("assigned", "Acknowledged")
        return badge("down" if alert.rule.severity == AlertRule.Severity.CRITICAL else "open", alert.rule.severity)

    @admin.display
    def about(self, alert: Alert) -> SafeString:
        return format_html('<a href="{}">{}</a>', alert.get_absolute_url(), alert.rule)

    @admin.display(description="value")
    def measured(self, alert: Alert) -> str:
        return floatformat(alert.value, "-2g")

    @admin.display(description="since")
    def began(self, alert: Alert) -> SafeString | str:
        return timestamp(alert.began_at)

    @admin.display(description="ended")
    def ended(self, alert: Alert) -> SafeString | str:
        return timestamp(alert.ended_at)
