from django.db import migrations


def create(apps, schema_editor):
    apps.get_model("monitoring", "AlertRule").objects.create(
        name="Feed gap", severity="warning", metric="epicops_feed_missing_numbers", threshold=0
    )


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0007_redis_roles")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
