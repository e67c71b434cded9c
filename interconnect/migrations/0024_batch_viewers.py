from django.contrib.auth.management import create_permissions
from django.db import migrations

EVERYBODY = ("viewer", "operator", "supervisor", "auditor")
WANTED = {"view_batch": EVERYBODY, "release_batch": ("operator", "supervisor")}


def let_look(apps, schema_editor):
    config = apps.get_app_config("interconnect")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    for codename, roles in WANTED.items():
        permission = apps.get_model("auth", "Permission").objects.get(codename=codename)
        for role in roles:
            apps.get_model("auth", "Group").objects.get(name=f"Interconnect {role}").permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("interconnect", "0023_batch_permissions")]
    operations = [migrations.RunPython(let_look, migrations.RunPython.noop)]
