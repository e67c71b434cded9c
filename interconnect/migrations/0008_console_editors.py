from django.contrib.auth.management import create_permissions
from django.db import migrations

EDITORS = ("Interconnect operator", "Interconnect supervisor")


def let_edit(apps, schema_editor):
    config = apps.get_app_config("interconnect")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    permission = apps.get_model("auth", "Permission").objects.get(codename="edit_deadletter")
    for group in apps.get_model("auth", "Group").objects.filter(name__in=EDITORS):
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("interconnect", "0005_console_roles"), ("interconnect", "0007_console_revisions")]
    operations = [migrations.RunPython(let_edit, migrations.RunPython.noop)]
