from django.db import migrations

# As interconnect/dlq/signatures.py has it at this point; numbers of segments and digits are what differs between letters.
FORWARDS = r"""
CREATE TEMPORARY TABLE filed ON COMMIT DROP AS
SELECT letter.id, letter.failed_at, letter.error_class,
       regexp_replace(letter.error_path, '\[\d+\]', '', 'g') AS error_path,
       regexp_replace(letter.error_text, '\d[\d,.]*', '#', 'g') AS error_text,
       message.message_type, message.sending_application, message.sending_facility
FROM interconnect_deadletter letter JOIN interconnect_inboundmessage message ON message.id = letter.message_id;
ALTER TABLE filed ADD fingerprint bytea;
UPDATE filed SET fingerprint = sha256(
  convert_to(error_class, 'UTF8') || '\x00'::bytea || convert_to(error_path, 'UTF8') || '\x00'::bytea ||
  convert_to(error_text, 'UTF8') || '\x00'::bytea || convert_to(message_type, 'UTF8') || '\x00'::bytea ||
  convert_to(sending_application, 'UTF8') || '\x00'::bytea || convert_to(sending_facility, 'UTF8'));
INSERT INTO interconnect_failuregroup (fingerprint, error_class, error_path, error_text, message_type,
  sending_application, sending_facility, first_seen_at, last_seen_at)
SELECT fingerprint, error_class, error_path, error_text, message_type, sending_application, sending_facility,
       min(failed_at), max(failed_at)
FROM filed GROUP BY 1, 2, 3, 4, 5, 6, 7;
UPDATE interconnect_deadletter letter SET group_id = failure.id
FROM filed JOIN interconnect_failuregroup failure USING (fingerprint) WHERE letter.id = filed.id;
"""


class Migration(migrations.Migration):
    dependencies = [("interconnect", "0003_console_triage")]
    operations = [migrations.RunSQL(FORWARDS, migrations.RunSQL.noop)]
