"""The status strip and the last day's plots for templates."""

from django import template

from monitoring.history import Plot, plots
from monitoring.status import Status, status

register = template.Library()


@register.inclusion_tag("admin/status_strip.html")
def ops_status() -> dict[str, Status]:
    """Show how the whole system is now."""
    return {"status": status()}


@register.inclusion_tag("admin/plots.html")
def ops_history() -> dict[str, list[Plot]]:
    """Show the last 24 hours."""
    return {"plots": plots()}
