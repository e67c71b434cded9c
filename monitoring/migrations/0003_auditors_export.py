from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLE = "Interconnect auditor"


def let_auditors_export(apps, schema_editor):
    """Django itself would make the permission only after the last migration."""
    config = apps.get_app_config("audit")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    permission = apps.get_model("auth", "Permission").objects.get(
        content_type__app_label="audit", codename="export_auditevent"
    )
    apps.get_model("auth", "Group").objects.get(name=ROLE).permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("monitoring", "0002_more_samples"),
        ("interconnect", "0005_console_roles"),
        ("audit", "0005_audit_questions"),
    ]
    operations = [migrations.RunPython(let_auditors_export, migrations.RunPython.noop)]
