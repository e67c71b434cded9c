"""One more rule to begin with: certificates are renewed before they end."""

from django.db import migrations

NAME = "Certificate ends"


def make_rule(apps, schema_editor):
    apps.get_model("monitoring", "AlertRule").objects.get_or_create(
        name=NAME,
        defaults={
            "severity": "warning",
            "metric": "epicops_certificate_days_left",
            "label": "",
            "comparison": "<",
            "threshold": 30,
            "window": 0,
            "hold": 0,
        },
    )


def remove_rule(apps, schema_editor):
    apps.get_model("monitoring", "AlertRule").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0002_roles_and_rules")]
    operations = [migrations.RunPython(make_rule, remove_rule)]
