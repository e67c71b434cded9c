"""The parts of the operations page for its template."""

from typing import Any

from django import template
from django.template import Context

from monitoring.history import Plot, plots
from monitoring.panels import read_panels, strip

register = template.Library()


@register.inclusion_tag("admin/status_strip.html")
def ops_status() -> dict[str, Any]:
    """Show how the whole system is now."""
    return strip()


@register.inclusion_tag("admin/panels.html", takes_context=True)
def ops_panels(context: Context) -> dict[str, object]:
    """Show failures, cache, sessions and what operators did."""
    return {"panels": read_panels(), "perms": context["perms"]}


@register.inclusion_tag("admin/plots.html")
def ops_history() -> dict[str, list[Plot]]:
    """Show the last 24 hours."""
    return {"plots": plots()}
