"""The status strip for templates."""

from django import template

from monitoring.status import Status, status

register = template.Library()


@register.inclusion_tag("admin/status_strip.html")
def ops_status() -> dict[str, Status]:
    """Show how the whole system is now."""
    return {"status": status()}
