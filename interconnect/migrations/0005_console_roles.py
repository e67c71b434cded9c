from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWER = {
    "interconnect.view_failuregroup",
    "interconnect.view_deadletter",
    "interconnect.view_discard",
}
OPERATOR = VIEWER | {
    "interconnect.view_inboundmessage",  # the messages themselves
    "interconnect.triage_failuregroup",
    "interconnect.replay_deadletter",
    "interconnect.discard_deadletter",
}
SUPERVISOR = OPERATOR | {"interconnect.restore_deadletter", "audit.view_auditevent"}
AUDITOR = VIEWER | {"audit.view_auditevent"}

ROLES = {
    "Interconnect viewer": VIEWER,
    "Interconnect operator": OPERATOR,
    "Interconnect supervisor": SUPERVISOR,
    "Interconnect auditor": AUDITOR,
}


def create_roles(apps, schema_editor):
    """Make the groups; Django itself would make the permissions only after the last migration."""
    for label in ("interconnect", "audit"):
        config = apps.get_app_config(label)
        config.models_module = True
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    permissions = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in apps.get_model("auth", "Permission").objects.select_related("content_type")
    }
    for name, wanted in ROLES.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(*(permissions[permission] for permission in sorted(wanted)))


def remove_roles(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=ROLES).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("interconnect", "0004_console_file_old_letters"),
        ("audit", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(create_roles, remove_roles)]
