from django.contrib.auth.management import create_permissions
from django.db import migrations

RULES = [  # name, severity, metric, label, comparison, threshold, window (s), hold (s)
    ("Part down", "critical", "epicops_up", "", "<", 1, 0, 60),
    ("Backlog old", "critical", "epicops_queue_oldest_age_seconds", "", ">", 60, 0, 120),
    ("Queue long", "warning", "epicops_queue_depth", "waiting", ">", 1000, 0, 600),
    ("Inbox in use", "warning", "epicops_queue_depth", "inbox", ">", 0, 0, 60),
    ("Dead letters", "warning", "epicops_messages_total", "dead", ">", 0, 900, 0),
    ("Feed silent", "critical", "epicops_feed_silent", "", ">", 0, 0, 60),
    ("Feed refused", "warning", "epicops_feed_refused_total", "", ">", 0, 900, 0),
    ("Sessions evicted", "critical", "epicops_redis_evicted_keys_total", "sessions", ">", 0, 300, 0),
    ("Messages evicted", "critical", "epicops_redis_evicted_keys_total", "queue", ">", 0, 300, 0),
    ("Redis policy wrong", "critical", "epicops_redis_policy_ok", "", "<", 1, 0, 60),
    ("Sessions memory", "warning", "epicops_redis_memory_ratio", "sessions", ">", 0.8, 0, 300),
    ("Queue memory", "warning", "epicops_redis_memory_ratio", "queue", ">", 0.8, 0, 300),
]
COLUMNS = ("name", "severity", "metric", "label", "comparison", "threshold", "window", "hold")
ROLES = {
    "Interconnect viewer": ("view_alert",),
    "Interconnect operator": ("view_alert", "acknowledge_alert"),
    "Interconnect supervisor": ("view_alert", "acknowledge_alert", "view_alertrule", "change_alertrule"),
    "Interconnect auditor": ("view_alert", "view_alertrule"),
}


def create(apps, schema_editor):
    rule = apps.get_model("monitoring", "AlertRule")
    rule.objects.bulk_create(rule(**dict(zip(COLUMNS, values))) for values in RULES)
    config = apps.get_app_config("monitoring")
    config.models_module = True
    create_permissions(config, apps=apps, verbosity=0)
    config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects.filter(content_type__app_label="monitoring")
    for name, codenames in ROLES.items():
        group = apps.get_model("auth", "Group").objects.get(name=name)
        group.permissions.add(*permissions.filter(codename__in=codenames))


class Migration(migrations.Migration):
    dependencies = [("monitoring", "0004_alerts"), ("interconnect", "0005_console_roles")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
