from django.db import migrations, models

# Rows from before the chain cannot be vouched for: they stay, unchangeable, in a table of their own.
SET_ASIDE = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM audit_auditevent) THEN
    ALTER TABLE audit_auditevent RENAME TO audit_before_chain;
    ALTER INDEX audit_auditevent_pkey RENAME TO audit_before_chain_pkey;
    ALTER SEQUENCE audit_auditevent_id_seq RENAME TO audit_before_chain_id_seq;
    DROP INDEX audit_by_time, audit_by_patient, audit_by_object;
  ELSE
    DROP TABLE audit_auditevent;
  END IF;
END $$;
"""
# The names and types are those of Django's model; PostgreSQL wants the partition key in the primary key.
CREATE = """
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
CREATE INDEX audit_by_time ON audit_auditevent (recorded_at);
CREATE INDEX audit_by_patient ON audit_auditevent (patient_id, id DESC);
CREATE INDEX audit_by_object ON audit_auditevent (object_type, object_id);
CREATE INDEX audit_by_stream ON audit_auditevent (stream_id, seq);
CREATE INDEX audit_by_actor ON audit_auditevent (actor, id DESC);

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


class Migration(migrations.Migration):
    """Not reversible: an audit trail is not taken back."""

    dependencies = [("audit", "0002_append_only")]

    operations = [
        migrations.CreateModel(
            name="AuditStream",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="Host and process id", max_length=100)),
                ("seq", models.BigIntegerField(help_text="Number of its last row")),
                ("mac", models.BinaryField(max_length=32)),
                ("kept_from", models.BigIntegerField(help_text="Earlier rows have been archived")),
                ("kept_mac", models.BinaryField(max_length=32)),
                ("signature", models.BinaryField(max_length=32)),
            ],
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL([SET_ASIDE, CREATE])],
            state_operations=[
                migrations.AddField(
                    "auditevent", "stream_id", models.BigIntegerField(help_text="The writer's chain"), False
                ),
                migrations.AddField(
                    "auditevent",
                    "seq",
                    models.BigIntegerField(help_text="Number in the chain, from 1, without gaps"),
                    False,
                ),
                migrations.AddField("auditevent", "mac", models.BinaryField(max_length=32), False),
                migrations.AddIndex("auditevent", models.Index(fields=["stream_id", "seq"], name="audit_by_stream")),
                migrations.AddIndex("auditevent", models.Index(fields=["actor", "-id"], name="audit_by_actor")),
            ],
        ),
    ]
