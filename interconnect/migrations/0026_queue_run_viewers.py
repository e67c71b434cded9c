from django.contrib.auth.management import create_permissions
from django.db import migrations


def let_view(apps, schema_editor):
    config = apps.get_app_config("interconnect")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    seen = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="interconnect", codename="view_queuerun"
    )
    for group in apps.get_model("auth", "Group").objects.filter(name__startswith="Interconnect "):
        group.permissions.add(*seen)


class Migration(migrations.Migration):
    dependencies = [("interconnect", "0025_queue_runs")]
    operations = [migrations.RunPython(let_view, migrations.RunPython.noop)]
