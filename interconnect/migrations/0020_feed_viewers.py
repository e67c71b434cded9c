from django.contrib.auth.management import create_permissions
from django.db import migrations

EVERYBODY = ("Interconnect viewer", "Interconnect operator", "Interconnect supervisor", "Interconnect auditor")
MAY_VIEW = {
    "view_feed": EVERYBODY,
    "view_refusedframe": ("Interconnect operator", "Interconnect supervisor"),  # they hold parts of messages
}
COUNT = """
UPDATE interconnect_feed f SET refused = (
    SELECT coalesce(sum(repeats), 0) FROM interconnect_refusedframe r
    WHERE r.application = f.application AND r.facility = f.facility)
"""


def let_view(apps, schema_editor):
    config = apps.get_app_config("interconnect")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    for codename, names in MAY_VIEW.items():
        permission = apps.get_model("auth", "Permission").objects.get(codename=codename)
        for group in apps.get_model("auth", "Group").objects.filter(name__in=names):
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("interconnect", "0019_feed_health")]
    operations = [
        migrations.RunPython(let_view, migrations.RunPython.noop),
        migrations.RunSQL(COUNT, migrations.RunSQL.noop),
    ]
