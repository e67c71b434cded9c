"""The audit trail: rows that nobody changes, in a partition for each month, and the chains that vouch for them."""

from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now

ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")

# Django makes no partitioned tables. Names and types are those of its model; PostgreSQL wants the partition key in the
# primary key.
TABLE = """
CREATE SEQUENCE audit_auditevent_id_seq;
CREATE TABLE audit_auditevent (
  id bigint NOT NULL DEFAULT nextval('audit_auditevent_id_seq'),
  recorded_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  action varchar(1) NOT NULL,
  code varchar(40) NOT NULL,
  actor_id bigint,
  actor varchar(150) NOT NULL,
  patient_id bigint,
  object_type varchar(60) NOT NULL,
  object_id varchar(64) NOT NULL,
  source_ip inet,
  detail jsonb NOT NULL,
  stream_id bigint NOT NULL,
  seq bigint NOT NULL,
  mac bytea NOT NULL,
  PRIMARY KEY (id, recorded_at)
) PARTITION BY RANGE (recorded_at);
ALTER SEQUENCE audit_auditevent_id_seq OWNED BY audit_auditevent.id;
"""

APPEND_ONLY = """
CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit events are append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

-- Row triggers of the parent are those of every partition; each needs a TRUNCATE trigger of its own.
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_auditevent
  FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_auditevent
  FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

CREATE FUNCTION audit_protect(partition regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON %s
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()', partition);
END $$;
"""

PARTITIONS = """
-- Makes the partitions of this month (UTC) and the given number of months after it; those that exist are left alone.
CREATE FUNCTION audit_make_partitions(ahead integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  month timestamp;
  name text;
BEGIN
  FOR month IN SELECT date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n)
               FROM generate_series(0, ahead) AS n LOOP
    name := 'audit_events_' || to_char(month, 'YYYY_MM');
    CONTINUE WHEN to_regclass(name) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I PARTITION OF audit_auditevent FOR VALUES FROM (%L) TO (%L)',
      name, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
    PERFORM audit_protect(name::regclass);
  END LOOP;
END $$;

-- Takes what no month's partition takes, so that a forgotten partition never stops the hospital.
CREATE TABLE audit_events_other PARTITION OF audit_auditevent DEFAULT;
SELECT audit_protect('audit_events_other');
SELECT audit_make_partitions(12);
"""

# A database that these have made has nothing left to do.
REPLACED = """
0001_initial 0002_append_only 0003_audit_partitions_and_chain 0004_audit_by_people 0005_audit_questions
"""


class Migration(migrations.Migration):
    """Not reversible: an audit trail is not taken back."""

    initial = True
    replaces = [("audit", name) for name in REPLACED.split()]
    dependencies = []
    operations = [
        migrations.CreateModel(
            "AuditStream",
            [
                ("id", ID),
                ("name", models.CharField(help_text="Host and process id", max_length=100)),
                ("seq", models.BigIntegerField(help_text="Number of its last row")),
                ("mac", models.BinaryField(max_length=32)),
                ("kept_from", models.BigIntegerField(help_text="Earlier rows have been archived")),
                ("kept_mac", models.BinaryField(max_length=32)),
                ("signature", models.BinaryField(max_length=32)),
            ],
        ),
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL(TABLE)],
            [
                migrations.CreateModel(
                    "AuditEvent",
                    [
                        ("id", ID),
                        ("recorded_at", models.DateTimeField(db_default=Now())),
                        (
                            "action",
                            models.CharField(
                                choices=[
                                    ("C", "Create"),
                                    ("R", "Read"),
                                    ("U", "Update"),
                                    ("D", "Delete"),
                                    ("E", "Execute"),
                                ],
                                max_length=1,
                            ),
                        ),
                        (
                            "code",
                            models.CharField(help_text="What was done, for example message.replay", max_length=40),
                        ),
                        ("actor_id", models.BigIntegerField(help_text="User id; empty for a machine", null=True)),
                        ("actor", models.CharField(help_text="User name or worker at that time", max_length=150)),
                        ("patient_id", models.BigIntegerField(null=True)),
                        ("object_type", models.CharField(blank=True, max_length=60)),
                        ("object_id", models.CharField(blank=True, max_length=64)),
                        ("source_ip", models.GenericIPAddressField(null=True)),
                        ("detail", models.JSONField(default=dict)),
                        ("stream_id", models.BigIntegerField(help_text="The writer's chain")),
                        ("seq", models.BigIntegerField(help_text="Number in the chain, from 1, without gaps")),
                        ("mac", models.BinaryField(max_length=32)),
                    ],
                    options={
                        "ordering": ("-id",),
                        "permissions": (("export_auditevent", "Can export the audit trail"),),
                    },
                )
            ],
        ),
        *(
            migrations.AddIndex("auditevent", index)
            for index in (
                models.Index(fields=["recorded_at"], name="audit_by_time"),
                models.Index(fields=["patient_id", "-id"], name="audit_by_patient"),
                models.Index(fields=["object_type", "object_id"], name="audit_by_object"),
                models.Index(fields=["stream_id", "seq"], name="audit_by_stream"),
                models.Index(fields=["actor", "-id"], name="audit_by_actor"),
                models.Index(
                    condition=Q(actor_id__isnull=False) & ~Q(action="R"), fields=["-id"], name="audit_by_people"
                ),
                GinIndex(
                    condition=Q(detail__has_any_keys=["ids", "patients"]),
                    fields=["detail"],
                    name="audit_by_detail",
                    opclasses=["jsonb_path_ops"],
                ),
            )
        ),
        migrations.RunSQL(APPEND_ONLY),
        migrations.RunSQL(PARTITIONS),
    ]
