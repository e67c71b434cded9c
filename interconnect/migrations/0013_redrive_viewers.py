from django.contrib.auth.management import create_permissions
from django.db import migrations


def let_view(apps, schema_editor):
    config = apps.get_app_config("interconnect")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    permission = apps.get_model("auth", "Permission").objects.get(codename="view_redrive")
    for group in apps.get_model("auth", "Group").objects.filter(name__startswith="Interconnect "):
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("interconnect", "0012_supervised_redrives")]
    operations = [migrations.RunPython(let_view, migrations.RunPython.noop)]
