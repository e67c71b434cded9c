"""Applying what messages said, a whole batch at a time, in the transaction at hand.

Each step is one or two statements for the batch, whatever its size. Writing the same event twice changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection

from epicops.bulk import columns_of
from vitals import places
from vitals.events import Event, Identity, PatientMoved, VitalsMeasured
from vitals.models import Patient, PatientIdentifier
from vitals.stays import Moved, Span, derive_stays

LONG_AGO = datetime.min.replace(tzinfo=UTC, year=1900)  # details that any ADT message may replace


class Arrival(NamedTuple):
    """An event and the inbound message it came in."""

    message_id: int
    event: Event


@dataclass(slots=True)
class Effects:
    """What a batch touched."""

    patients: dict[int, int] = field(default_factory=dict)  # patient id by message id
    beds: set[int] = field(default_factory=set)  # whose cached documents are out of date


def apply(arrivals: Sequence[Arrival]) -> Effects:
    """Write the events' effects and return what they touched."""
    patients = _resolve_patients([arrival.event for arrival in arrivals])
    effects = Effects({a.message_id: patients[a.event.identity.key] for a in arrivals})
    moves = [(a.message_id, a.event) for a in arrivals if isinstance(a.event, PatientMoved)]
    if moves:
        _update_demographics([event for _, event in moves], patients)
        effects.beds |= _move(moves, patients)
    measured = [(a.message_id, a.event) for a in arrivals if isinstance(a.event, VitalsMeasured)]
    if measured:
        _observe(measured, patients)
        effects.beds |= places.current_beds({patients[event.identity.key] for _, event in measured})
    return effects


def _resolve_patients(events: Iterable[Event]) -> dict[tuple[str, str], int]:
    """Return the patient id of each identifier, creating patients that were never seen."""
    wanted = {event.identity.key: event for event in events}
    known = _known_patients(wanted)
    missing = [event for key, event in wanted.items() if key not in known]
    if missing:
        created = Patient.objects.bulk_create(_new_patient(event) for event in missing)
        PatientIdentifier.objects.bulk_create(
            PatientIdentifier(patient=patient, value=event.identity.value, authority=event.identity.authority)
            for patient, event in zip(created, missing, strict=True)
        )
        known |= {event.identity.key: patient.pk for patient, event in zip(created, missing, strict=True)}
    return known


def _known_patients(keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT i.value, i.authority, i.patient_id FROM vitals_patientidentifier i
               JOIN unnest(%s::text[], %s::text[]) AS wanted(value, authority) USING (value, authority)""",
            columns_of(keys, 2),
        )
        return {(value, authority): patient_id for value, authority, patient_id in cursor.fetchall()}


def _new_patient(event: Event) -> Patient:
    identity: Identity = event.identity
    return Patient(
        family_name=identity.family_name,
        given_name=identity.given_name,
        birth_date=identity.birth_date,
        sex=identity.sex,
        demographics_at=event.stated_at if isinstance(event, PatientMoved) else LONG_AGO,
    )


def _update_demographics(events: Sequence[PatientMoved], patients: dict[tuple[str, str], int]) -> None:
    """Keep the newest details; an empty field says nothing (HL7 v2.5.1 chapter 2.5.3)."""
    newest: dict[int, PatientMoved] = {}
    for event in sorted(events, key=lambda event: event.stated_at):
        newest[patients[event.identity.key]] = event
    rows = [
        (pk, i.family_name, i.given_name, i.birth_date, i.sex, event.stated_at)
        for pk, event in newest.items()
        for i in (event.identity,)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE vitals_patient p SET
                 family_name = coalesce(nullif(n.family, ''), p.family_name),
                 given_name = coalesce(nullif(n.given, ''), p.given_name),
                 birth_date = coalesce(n.born, p.birth_date),
                 sex = coalesce(nullif(n.sex, ''), p.sex),
                 demographics_at = n.stated
               FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::date[], %s::text[], %s::timestamptz[])
                 AS n(id, family, given, born, sex, stated)
               WHERE p.id = n.id AND p.demographics_at < n.stated""",
            columns_of(rows, 6),
        )


def _move(moves: Sequence[tuple[int, PatientMoved]], patients: dict[tuple[str, str], int]) -> set[int]:
    """Add the movements, derive the stays of their visits anew and return every bed that is concerned."""
    visits = places.resolve_visits({event.visit: patients[event.identity.key] for _, event in moves})
    beds = places.resolve_beds(dict.fromkeys(event.location for _, event in moves if event.location))
    rows = [
        (visits[event.visit], event.kind.value, event.occurred_at, beds.get(event.location), message_id)
        for message_id, event in moves
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO vitals_movement (visit_id, kind, occurred_at, bed_id, message_id)
               SELECT * FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::bigint[], %s::bigint[])
               ON CONFLICT DO NOTHING""",
            columns_of(rows, 5),
        )
    return _rewrite_stays(sorted(set(visits.values())))


def _rewrite_stays(visit_ids: list[int]) -> set[int]:
    movements: dict[int, list[Moved]] = {pk: [] for pk in visit_ids}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT visit_id, occurred_at, kind, bed_id FROM vitals_movement WHERE visit_id = ANY(%s)", [visit_ids]
        )
        for visit_id, *moved in cursor.fetchall():
            movements[visit_id].append(Moved(*moved))
        rows = [(visit_id, *span) for visit_id in visit_ids for span in derive_stays(movements[visit_id])]
        columns = columns_of(rows, 1 + len(Span._fields))
        cursor.execute(
            """WITH derived AS (
                 SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
                   AS d(visit_id, bed_id, from_at, to_at)),
               gone AS (
                 DELETE FROM vitals_stay s WHERE s.visit_id = ANY(%s) AND NOT EXISTS (
                   SELECT 1 FROM derived d WHERE d.visit_id = s.visit_id AND d.from_at = s.from_at)
                 RETURNING s.bed_id),
               old AS (SELECT bed_id FROM vitals_stay WHERE visit_id = ANY(%s)),
               new AS (
                 INSERT INTO vitals_stay (visit_id, bed_id, from_at, to_at) SELECT * FROM derived
                 ON CONFLICT (visit_id, from_at) DO UPDATE SET bed_id = excluded.bed_id, to_at = excluded.to_at
                 WHERE (vitals_stay.bed_id, vitals_stay.to_at) IS DISTINCT FROM (excluded.bed_id, excluded.to_at)
                 RETURNING bed_id)
               SELECT bed_id FROM gone UNION SELECT bed_id FROM old UNION SELECT bed_id FROM new""",
            [*columns, visit_ids, visit_ids],
        )
        return {row[0] for row in cursor.fetchall()}


def _observe(measured: Sequence[tuple[int, VitalsMeasured]], patients: dict[tuple[str, str], int]) -> None:
    """Add the values. A correction replaces what it corrects; a preliminary value never replaces a final one."""
    rows: dict[tuple[int, str, datetime, str], tuple[Any, ...]] = {}
    for message_id, event in measured:
        for sign in event.signs:
            patient_id = patients[event.identity.key]
            key = (patient_id, sign.vital, sign.observed_at, sign.sub_id)
            standing = rows.get(key)
            if standing is None or STATUS_ORDER.index(sign.status) >= STATUS_ORDER.index(standing[5]):
                sent = (sign.sent_code, sign.sent_value, sign.sent_unit)
                rows[key] = (*key, sign.value, sign.status.value, *sent, message_id)
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO vitals_observation AS o
                 (patient_id, vital, observed_at, sub_id, value, status, sent_code, sent_value, sent_unit, message_id)
               SELECT * FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::numeric[],
                 %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
               ON CONFLICT (patient_id, vital, observed_at, sub_id) DO UPDATE SET
                 value = excluded.value, status = excluded.status, sent_code = excluded.sent_code,
                 sent_value = excluded.sent_value, sent_unit = excluded.sent_unit, message_id = excluded.message_id
               WHERE position(excluded.status in %s) >= position(o.status in %s)""",
            [*columns_of(rows.values(), 10), STATUS_ORDER, STATUS_ORDER],
        )


STATUS_ORDER = "RPFC"  # not verified < preliminary < final < corrected
