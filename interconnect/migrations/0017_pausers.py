from django.contrib.auth.management import create_permissions
from django.db import migrations

SEEN_BY = ("viewer", "operator", "supervisor", "auditor")
USED_BY = ("operator", "supervisor")


def let_pause(apps, schema_editor):
    config = apps.get_app_config("interconnect")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects.filter(content_type__app_label="interconnect")
    for roles, codenames in ((SEEN_BY, ["view_pause"]), (USED_BY, ["add_pause", "resume_pause"])):
        for group in apps.get_model("auth", "Group").objects.filter(name__in=[f"Interconnect {r}" for r in roles]):
            group.permissions.add(*permissions.filter(codename__in=codenames))


class Migration(migrations.Migration):
    dependencies = [("interconnect", "0016_pauses")]
    operations = [migrations.RunPython(let_pause, migrations.RunPython.noop)]
