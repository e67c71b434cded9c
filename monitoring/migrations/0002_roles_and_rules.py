"""The four groups of people who operate epicops, and the alert rules that they begin with."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWER = """
interconnect.view_batch interconnect.view_deadletter interconnect.view_discard interconnect.view_failuregroup
interconnect.view_feed interconnect.view_pause interconnect.view_queuerun interconnect.view_redrive
monitoring.view_alert
"""
OPERATOR = f"""{VIEWER}
interconnect.view_inboundmessage interconnect.view_refusedframe interconnect.view_repair
interconnect.add_pause interconnect.discard_deadletter interconnect.dismiss_gap interconnect.edit_deadletter
interconnect.release_batch interconnect.replay_deadletter interconnect.resume_pause interconnect.triage_failuregroup
monitoring.acknowledge_alert monitoring.view_redis
"""
SUPERVISOR = f"""{OPERATOR}
audit.view_auditevent
interconnect.export_inboundmessage interconnect.redrive_deadletter interconnect.restore_deadletter
monitoring.change_alertrule monitoring.change_redis_value monitoring.view_alertrule monitoring.view_redis_value
"""
AUDITOR = f"""{VIEWER}
audit.export_auditevent audit.view_auditevent
monitoring.view_alertrule
"""
ROLES = {
    "Interconnect viewer": VIEWER,
    "Interconnect operator": OPERATOR,  # sees what holds values of messages
    "Interconnect supervisor": SUPERVISOR,
    "Interconnect auditor": AUDITOR,
}

RULES = [  # name, severity, metric, label, comparison, threshold, window (s), hold (s)
    ("Part down", "critical", "epicops_up", "", "<", 1, 0, 60),
    ("Backlog old", "critical", "epicops_queue_oldest_age_seconds", "", ">", 60, 0, 120),
    ("Queue long", "warning", "epicops_queue_depth", "waiting", ">", 1000, 0, 600),
    ("Inbox in use", "warning", "epicops_queue_depth", "inbox", ">", 0, 0, 60),
    ("Dead letters", "warning", "epicops_messages_total", "dead", ">", 0, 900, 0),
    ("Feed silent", "critical", "epicops_feed_silent", "", ">", 0, 0, 60),
    ("Feed refused", "warning", "epicops_feed_refused_total", "", ">", 0, 900, 0),
    ("Feed gap", "warning", "epicops_feed_missing_numbers", "", ">", 0, 0, 60),
    ("Sessions evicted", "critical", "epicops_redis_evicted_keys_total", "sessions", ">", 0, 300, 0),
    ("Messages evicted", "critical", "epicops_redis_evicted_keys_total", "queue", ">", 0, 300, 0),
    ("Redis policy wrong", "critical", "epicops_redis_policy_ok", "", "<", 1, 0, 60),
    ("Sessions memory", "warning", "epicops_redis_memory_ratio", "sessions", ">", 0.8, 0, 300),
    ("Queue memory", "warning", "epicops_redis_memory_ratio", "queue", ">", 0.8, 0, 300),
]
COLUMNS = ("name", "severity", "metric", "label", "comparison", "threshold", "window", "hold")


def make_roles(apps, schema_editor):
    """Make the groups; Django itself would make the permissions only after the last migration."""
    for label in ("interconnect", "audit", "monitoring"):
        create_permissions(installed.get_app_config(label), apps=apps, verbosity=0)
    permissions = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in apps.get_model("auth", "Permission").objects.select_related("content_type")
    }
    for name, granted in ROLES.items():
        group = apps.get_model("auth", "Group").objects.create(name=name)
        group.permissions.set(permissions[permission] for permission in granted.split())


def remove_roles(apps, schema_editor):
    apps.get_model("auth", "Group").objects.filter(name__in=ROLES).delete()


def make_rules(apps, schema_editor):
    rule = apps.get_model("monitoring", "AlertRule")
    rule.objects.bulk_create(rule(**dict(zip(COLUMNS, values, strict=True))) for values in RULES)


def remove_rules(apps, schema_editor):
    apps.get_model("monitoring", "AlertRule").objects.filter(name__in=[rule[0] for rule in RULES]).delete()


# A database that these have made has nothing left to do.
REPLACED = "0003_auditors_export 0005_alert_rules 0007_redis_roles 0008_feed_gap_rule"


class Migration(migrations.Migration):
    replaces = [("monitoring", name) for name in REPLACED.split()]
    dependencies = [
        ("monitoring", "0001_schema"),
        ("interconnect", "0001_schema"),
        ("audit", "0001_schema"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [
        migrations.RunPython(make_roles, remove_roles),
        migrations.RunPython(make_rules, remove_rules),
    ]
