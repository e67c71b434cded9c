"""Writing what was measured. Of several statements about one value one holds, whichever order they arrived in.

One statement is the same patient, vital, time and OBX-4. Which holds: withdrawn over corrected over final over
preliminary over not verified; of equals the one stated later (MSH-7). What gives way is kept as superseded.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connection

from epicops.bulk import columns_of, sending_cursor
from vitals.events import Name, UnknownCode, VitalsMeasured

STATUS_ORDER: Final = "RPFCDW"  # not verified < preliminary < final < corrected < deleted, of another patient


class Row(NamedTuple):
    """The columns of `vitals_observation` as they are written."""

    patient_id: int
    vital: str
    observed_at: datetime
    sub_id: str
    value: Any
    status: str
    stated_at: datetime
    is_shown: bool
    sent_code: str
    sent_value: str
    sent_unit: str
    message_id: int

    @property
    def key(self) -> tuple[Any, ...]:
        return self[:4]

    @property
    def weight(self) -> tuple[Any, ...]:
        return STATUS_ORDER.index(self.status), self.stated_at, self.value


def observe(measured: Sequence[tuple[int, VitalsMeasured]], patients: dict[Name, int]) -> None:
    """Add the values of these messages, given with their message ids."""
    holding: dict[tuple[Any, ...], Row] = {}
    giving_way: list[Row] = []
    for message_id, event in measured:
        for row in _rows(message_id, event, patients[event.identity.key]):
            other = holding.get(row.key)
            if other is None or row.weight > other.weight:
                holding[row.key] = row
                giving_way += [other] if other else []
            elif row.weight != other.weight:
                giving_way.append(row)
    write(holding.values(), giving_way)


def _rows(message_id: int, event: VitalsMeasured, patient_id: int) -> Iterable[Row]:
    for sign in event.signs:
        status = sign.status.value
        sent = (sign.sent_code, sign.sent_value, sign.sent_unit)
        key = (patient_id, sign.vital, sign.observed_at, sign.sub_id)
        yield Row(*key, sign.value, status, event.stated_at, sign.is_shown, *sent, message_id)


def write(holding: Iterable[Row], giving_way: Sequence[Row] = ()) -> None:
    """Insert the rows, one per key, where nothing weightier stands; keep what gives way on either side."""
    with sending_cursor() as cursor:
        cursor.execute(UPSERT, [*columns_of(holding, 12), STATUS_ORDER, STATUS_ORDER])
        if giving_way:
            cursor.execute(SUPERSEDE, columns_of((_superseded(row) for row in giving_way), 8))


def _superseded(row: Row) -> tuple[Any, ...]:
    return (*row.key, row.value, row.status, row.stated_at, row.message_id)


def count_unknown(measured: Sequence[tuple[int, VitalsMeasured]]) -> None:
    """Count the codes nobody has mapped, so that an operator is offered them, most frequent first."""
    counts: dict[tuple[str, str], tuple[UnknownCode, int, int]] = {}
    for message_id, event in measured:
        for unknown in event.unknown_codes:
            key = (unknown.code, unknown.system)
            counts[key] = (unknown, counts[key][1] + 1 if key in counts else 1, message_id)
    if not counts:
        return
    rows = [(*key, unknown.label, count, message_id) for key, (unknown, count, message_id) in sorted(counts.items())]
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO vitals_unmappedcode AS c (code, system, label, count, message_id, seen_at)
               SELECT *, now() FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[])
               ON CONFLICT (code, system) DO UPDATE SET count = c.count + excluded.count, label = excluded.label,
                 message_id = excluded.message_id, seen_at = excluded.seen_at""",
            columns_of(rows, 5),
        )


def merge_observations(survivors: dict[int, int]) -> None:
    """Give the values of patients that were merged to their survivors."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM vitals_observation WHERE patient_id = ANY(%s) RETURNING {', '.join(Row._fields)}",  # noqa: S608
            [list(survivors)],
        )
        moved = [Row(*row)._replace(patient_id=survivors[row[0]]) for row in cursor.fetchall()]
        cursor.execute(
            """UPDATE vitals_supersededobservation s SET patient_id = merged.new
               FROM unnest(%s::bigint[], %s::bigint[]) AS merged(old, new) WHERE s.patient_id = merged.old
               AND NOT EXISTS (SELECT 1 FROM vitals_supersededobservation t WHERE t.patient_id = merged.new AND
                 (t.vital, t.observed_at, t.sub_id, t.status, t.stated_at, t.value) =
                 (s.vital, s.observed_at, s.sub_id, s.status, s.stated_at, s.value))""",
            [list(survivors), list(survivors.values())],
        )
    moved.sort(key=lambda row: row.weight)
    holding = {row.key: row for row in moved}
    write(holding.values(), [row for row in moved if row.weight != holding[row.key].weight])


COLUMNS: Final = ", ".join(Row._fields)
# LATERAL and LIMIT: each row looks into the index. For a whole batch PostgreSQL would rather read the table.
UPSERT: Final = f"""
WITH incoming AS (
  SELECT * FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::numeric[], %s::text[],
    %s::timestamptz[], %s::bool[], %s::text[], %s::text[], %s::text[], %s::bigint[])
    AS i({COLUMNS})),
judged AS (
  SELECT i.*, o.value AS old_value, o.status AS old_status, o.stated_at AS old_stated_at,
    o.message_id AS old_message_id,
    o.id IS NULL AS is_new,
    (position(i.status in %s), i.stated_at, i.value) > (position(o.status in %s), o.stated_at, o.value) AS holds
  FROM incoming i LEFT JOIN LATERAL (
    SELECT * FROM vitals_observation known
    WHERE (known.patient_id, known.vital, known.observed_at, known.sub_id) =
      (i.patient_id, i.vital, i.observed_at, i.sub_id) LIMIT 1) o ON true),
superseded AS (
  INSERT INTO vitals_supersededobservation
    (patient_id, vital, observed_at, sub_id, value, status, stated_at, message_id)
  SELECT patient_id, vital, observed_at, sub_id,
    CASE WHEN holds THEN old_value ELSE value END, CASE WHEN holds THEN old_status ELSE status END,
    CASE WHEN holds THEN old_stated_at ELSE stated_at END, CASE WHEN holds THEN old_message_id ELSE message_id END
  FROM judged WHERE NOT is_new AND (value, status, stated_at) <> (old_value, old_status, old_stated_at)
  ON CONFLICT DO NOTHING)
INSERT INTO vitals_observation ({COLUMNS}) SELECT {COLUMNS} FROM judged WHERE is_new OR holds
ON CONFLICT (patient_id, vital, observed_at, sub_id) DO UPDATE SET value = excluded.value, status = excluded.status,
  stated_at = excluded.stated_at, is_shown = excluded.is_shown, sent_code = excluded.sent_code,
  sent_value = excluded.sent_value, sent_unit = excluded.sent_unit, message_id = excluded.message_id
"""  # noqa: S608  the columns are ours
SUPERSEDE: Final = """
INSERT INTO vitals_supersededobservation
  (patient_id, vital, observed_at, sub_id, value, status, stated_at, message_id)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::numeric[], %s::text[],
  %s::timestamptz[], %s::bigint[]) ON CONFLICT DO NOTHING
"""
