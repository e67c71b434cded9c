"""Who a message is about: identifiers, details and merges, a batch at a time.

A merge repoints identifiers, so that a late message with an old one finds the survivor; merging along a chain or round
in a circle therefore ends in one patient, in any order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeGuard

from django.db import connection

from epicops.bulk import columns_of, copy_rows, next_ids
from vitals.events import Event, Identity, Name, PatientDescribed, PatientMoved, PatientsMerged
from vitals.models import LONG_AGO, Patient, PatientIdentifier


def resolve_patients(events: Sequence[Event]) -> dict[Name, int]:
    """Return the patient id of each identifier, creating patients that were never seen. Merges are not applied."""
    wanted: dict[Name, Identity] = {event.old: Identity(*event.old) for event in events if _is_merge(event)}
    wanted |= {event.identity.key: event.identity for event in events}
    known = _known_patients(wanted)
    missing = [identity for key, identity in wanted.items() if key not in known]
    return known | _create_patients(missing) if missing else known


def _is_merge(event: Event) -> TypeGuard[PatientsMerged]:
    return isinstance(event, PatientsMerged)


def _known_patients(keys: Iterable[Name]) -> dict[Name, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT i.value, i.authority, i.patient_id FROM vitals_patientidentifier i
               JOIN unnest(%s::text[], %s::text[]) AS wanted(value, authority) USING (value, authority)""",
            columns_of(keys, 2),
        )
        return {(value, authority): patient_id for value, authority, patient_id in cursor.fetchall()}


def _create_patients(identities: Sequence[Identity]) -> dict[Name, int]:
    ids = next_ids(Patient, len(identities))
    rows = [
        (pk, i.family_name or "", i.given_name or "", i.birth_date, i.sex or "", LONG_AGO)
        for pk, i in zip(ids, identities, strict=True)
    ]
    copy_rows(Patient, ("id", "family_name", "given_name", "birth_date", "sex", "demographics_at"), rows)
    created = {identity.key: pk for pk, identity in zip(ids, identities, strict=True)}
    copy_rows(PatientIdentifier, ("value", "authority", "patient_id"), ((*key, pk) for key, pk in created.items()))
    return created


def update_details(events: Sequence[Event], patients: dict[Name, int]) -> None:
    """Keep the newest details; an empty field says nothing, `""` deletes (HL7 v2.5.1 chapter 2.5.3).

    Of two messages of one second, in which systems register and correct, the one that came later holds.
    """
    stated: dict[int, tuple[Identity, datetime]] = {}
    describing = [event for event in events if isinstance(event, PatientMoved | PatientDescribed)]
    for event in sorted(describing, key=lambda event: event.stated_at):
        pk = patients[event.identity.key]
        older = stated[pk][0] if pk in stated else None
        stated[pk] = (_overlaid(older, event.identity) if older else event.identity, event.stated_at)
    if not stated:
        return
    rows = [
        (pk, i.family_name, i.given_name, i.birth_date, i.is_birth_date_deleted, i.sex, stated_at)
        for pk, (i, stated_at) in stated.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE vitals_patient p SET
                 family_name = coalesce(n.family, p.family_name),
                 given_name = coalesce(n.given, p.given_name),
                 birth_date = CASE WHEN n.unborn THEN NULL ELSE coalesce(n.born, p.birth_date) END,
                 sex = coalesce(n.sex, p.sex),
                 demographics_at = n.stated
               FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::date[], %s::bool[], %s::text[], %s::timestamptz[])
                 AS n(id, family, given, born, unborn, sex, stated)
               WHERE p.id = n.id AND p.demographics_at <= n.stated""",
            columns_of(rows, 7),
        )


def _overlaid(older: Identity, newer: Identity) -> Identity:
    """Return what both state, the newer's word where both say something."""
    is_born_stated = newer.birth_date is not None or newer.is_birth_date_deleted
    return replace(
        newer,
        family_name=older.family_name if newer.family_name is None else newer.family_name,
        given_name=older.given_name if newer.given_name is None else newer.given_name,
        sex=older.sex if newer.sex is None else newer.sex,
        birth_date=newer.birth_date if is_born_stated else older.birth_date,
        is_birth_date_deleted=(newer if is_born_stated else older).is_birth_date_deleted,
    )


def merge_patients(merges: Sequence[PatientsMerged], patients: dict[Name, int]) -> dict[int, int]:
    """Make each old patient one with its survivor; return the survivor by the id of every patient that went.

    `patients` is brought up to date. Both rows are locked first, in order of id, against a parallel worker.
    """
    survivors: dict[int, int] = {}
    for merge in sorted(merges, key=lambda merge: merge.stated_at):
        old, new = (follow(survivors, patients[key]) for key in (merge.old, merge.identity.key))
        if old != new:
            survivors[old] = new
    survivors = {old: follow(survivors, old) for old in survivors}
    if survivors:
        olds, news = list(survivors), list(survivors.values())
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM vitals_patient WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [[*olds, *news]])
            for statement in MERGE:
                cursor.execute(statement, {"old": olds, "new": news})
        patients |= {key: survivors.get(pk, pk) for key, pk in patients.items()}
    return survivors


def follow(merged: Mapping[int, int], pk: int) -> int:
    """Return what this row was merged into in the end; itself where it was not."""
    while pk in merged:
        pk = merged[pk]
    return pk


OF_THE_OLD = "FROM unnest(%(old)s::bigint[], %(new)s::bigint[]) AS merged(old, new) WHERE patient_id = merged.old"
MERGE = (
    # Details go with the newer statement, as everywhere.
    """UPDATE vitals_patient p SET family_name = o.family_name, given_name = o.given_name, birth_date = o.birth_date,
         sex = o.sex, demographics_at = o.demographics_at
       FROM unnest(%(old)s::bigint[], %(new)s::bigint[]) AS merged(old, new)
       JOIN vitals_patient o ON o.id = merged.old
       WHERE p.id = merged.new AND p.demographics_at < o.demographics_at""",
    """UPDATE vitals_patient p SET merged_into_id = merged.new
       FROM unnest(%(old)s::bigint[], %(new)s::bigint[]) AS merged(old, new)
       WHERE merged.old IN (p.id, p.merged_into_id)""",
    f"UPDATE vitals_patientidentifier SET patient_id = merged.new, is_former = true {OF_THE_OLD}",  # noqa: S608
    *(
        f"UPDATE {table} SET patient_id = merged.new {OF_THE_OLD}"  # noqa: S608  the tables are ours
        for table in (
            "vitals_visit",
            "vitals_assignment",
            "vitals_oxygentarget",
            "vitals_patientaccount",
        )
    ),
)
