from django.contrib.auth.management import create_permissions
from django.db import migrations

READERS = ("Interconnect operator", "Interconnect supervisor")  # a repair holds values of messages


def let_view(apps, schema_editor):
    config = apps.get_app_config("interconnect")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    permission = apps.get_model("auth", "Permission").objects.get(codename="view_repair")
    for group in apps.get_model("auth", "Group").objects.filter(name__in=READERS):
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("interconnect", "0021_repairs")]
    operations = [migrations.RunPython(let_view, migrations.RunPython.noop)]
