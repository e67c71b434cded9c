from django.contrib.auth.management import create_permissions
from django.db import migrations

ROLES = {
    "Interconnect operator": ("view_redis",),
    "Interconnect supervisor": ("view_redis", "view_redis_value", "change_redis_value"),
}


def grant(apps, schema_editor):
    config = apps.get_app_config("monitoring")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects.filter(content_type__app_label="monitoring")
    for name, codenames in ROLES.items():
        group = apps.get_model("auth", "Group").objects.get(name=name)
        group.permissions.add(*permissions.filter(codename__in=codenames))


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0006_redis_permissions"), ("interconnect", "0005_console_roles")]
    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
