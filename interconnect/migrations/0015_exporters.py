from django.contrib.auth.management import create_permissions
from django.db import migrations


def let_export(apps, schema_editor):
    config = apps.get_app_config("interconnect")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    permission = apps.get_model("auth", "Permission").objects.get(codename="export_inboundmessage")
    for group in apps.get_model("auth", "Group").objects.filter(name="Interconnect supervisor"):
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("interconnect", "0014_export_permission")]
    operations = [migrations.RunPython(let_export, migrations.RunPython.noop)]
