"""What the cache may lack: a worker that dies after a commit has not written through what its last batches did."""

from typing import Final

from django.db import connection

from vitals.ingest import Effects

LAST_SECONDS: Final = 10  # of its commits; a living worker writes through every `worker.BEHIND_SECONDS`
LAST_BATCHES: Final = 500

# A batch's id begins with its time. Of a merge and a swap the second patient is found by their movements.
TOUCHED: Final = """
WITH last AS (SELECT id, committed_at FROM interconnect_batch ORDER BY id DESC LIMIT %(batches)s),
message AS (
  SELECT m.id, m.patient_id FROM last JOIN interconnect_inboundmessage m ON m.batch_id = last.id
  WHERE last.committed_at > (SELECT max(committed_at) FROM last) - make_interval(secs => %(seconds)s)),
patient AS (
  SELECT patient_id AS id FROM message WHERE patient_id IS NOT NULL
  UNION SELECT v.patient_id FROM message
    JOIN vitals_movement moved ON moved.message_id = message.id JOIN vitals_visit v ON v.id = moved.visit_id),
merged AS (SELECT id FROM patient UNION SELECT p.id FROM vitals_patient p JOIN patient ON p.merged_into_id = patient.id)
SELECT merged.id, array_remove(array_agg(DISTINCT moved.bed_id), NULL)
FROM merged LEFT JOIN vitals_visit v ON v.patient_id = merged.id
  LEFT JOIN vitals_movement moved ON moved.visit_id = v.id
GROUP BY merged.id
"""


def last_effects() -> Effects:
    """Return whose copies the last batches may have put out of date, rather too many than too few."""
    with connection.cursor() as cursor:
        cursor.execute(TOUCHED, {"batches": LAST_BATCHES, "seconds": LAST_SECONDS})
        rows = cursor.fetchall()
    beds = {bed_id for _, bed_ids in rows for bed_id in bed_ids}
    return Effects(beds=beds, moved={patient_id for patient_id, _ in rows}, places=set(beds))
