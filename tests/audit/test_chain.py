"""Audit rows cannot be changed, and whoever can all the same is found out."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import RequestFactory

from audit import witness
from audit.models import AuditEvent, AuditStream, MachineAction, event
from audit.verify import LISTED, verify
from tests.processes import ManageProcess

pytestmark = pytest.mark.django_db(transaction=True)


def machine_rows(count: int) -> None:
    AuditEvent.objects.record_machine(
        MachineAction("C", "message.applied", "worker", number, "inboundmessage", str(number))
        for number in range(count)
    )


def trail() -> list[int]:
    """Ten rows of one stream, by COPY and one at a time; their ids in order."""
    machine_rows(3)
    request = RequestFactory().get("/", REMOTE_ADDR="2001:db8::7")
    many = [event("R", "bed.view", actor="amara", request=request, detail={"b": [n], "a": "é\n"}) for n in range(2)]
    AuditEvent.objects.record_all(many)
    for number in range(5):
        AuditEvent.objects.record("R", "bed.view", actor="amara", request=request, detail={"b": [number], "a": "é"})
    return list(AuditEvent.objects.order_by("seq").values_list("pk", flat=True))


def undone(count: int) -> None:
    with transaction.atomic():
        machine_rows(count)
        transaction.set_rollback(True)


@contextmanager
def superuser() -> Iterator[Callable[..., None]]:
    """Somebody for whom no trigger fires."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield cursor.execute
        finally:
            cursor.execute("SET session_replication_role = origin")


def findings() -> list[str]:
    """What verification reports, without the stream's number."""
    return [finding.split(": ", 1)[1] for finding in verify({}).findings]


def test_an_untouched_trail_is_whole() -> None:
    trail()

    result = verify({})

    assert (result.rows, result.findings) == (10, [])


def test_a_rollback_takes_the_chain_back_with_the_rows() -> None:
    trail()

    with transaction.atomic():
        machine_rows(2)
        undone(3)
        machine_rows(4)
    undone(5)
    machine_rows(1)

    assert verify({})[:2] == (17, [])


def test_an_edited_row_is_named() -> None:
    rows = trail()

    with superuser() as execute:
        execute("UPDATE audit_auditevent SET actor = 'ben' WHERE id = %s", [rows[6]])

    assert findings() == [f"row {rows[6]} (number 7) has been changed"]


def test_all_that_is_wrong_is_counted_and_the_first_of_it_listed() -> None:
    machine_rows(LISTED + 1)

    with superuser() as execute:
        execute("UPDATE audit_auditevent SET actor = 'ben'")

    result = verify({})
    assert (result.found, len(result.findings)) == (LISTED + 1, LISTED)


def test_every_column_is_covered() -> None:
    rows = trail()
    other = {
        "recorded_at": "recorded_at + interval '1 microsecond'",
        "source_ip": "'10.0.0.1'",
        "detail": """'{"b": [9], "a": "é"}'""",
        "actor_id": "1",
        "patient_id": "77",
        "stream_id": "stream_id + 1",
        "seq": "seq + 100",
    }

    unnoticed = []
    with superuser() as execute:
        execute("CREATE TEMP TABLE kept AS SELECT * FROM audit_auditevent")
        for column in {str(field.column) for field in AuditEvent._meta.fields} - {"id", "mac"}:
            value = other.get(column, "'x'")
            execute(f"UPDATE audit_auditevent SET {column} = {value} WHERE id = %s", [rows[6]])
            unnoticed += [] if findings() else [column]
            execute(f"UPDATE audit_auditevent a SET {column} = kept.{column} FROM kept WHERE kept.id = a.id")
        execute("DROP TABLE kept")

    assert (unnoticed, findings()) == ([], [])


def test_a_deleted_row_is_a_gap() -> None:
    rows = trail()

    with superuser() as execute:
        execute("DELETE FROM audit_auditevent WHERE id = %s", [rows[3]])

    assert findings() == [f"gap: numbers 4 to 4 are missing before row {rows[4]}"]


def test_swapped_rows_are_both_named() -> None:
    rows = trail()

    with superuser() as execute:
        execute(
            "UPDATE audit_auditevent SET seq = CASE id WHEN %s THEN 4 ELSE 7 END WHERE id IN (%s, %s)",
            [rows[6], rows[3], rows[6]],
        )

    named = "\n".join(findings())
    assert f"row {rows[3]} (number 7) has been changed" in named
    assert f"row {rows[6]} (number 4) has been changed" in named


def test_a_cut_tail_is_a_gap_at_the_end() -> None:
    rows = trail()

    with superuser() as execute:
        execute("DELETE FROM audit_auditevent WHERE id IN (%s, %s)", rows[8:])

    assert findings() == ["cut: numbers 9 to 10 are missing at the end"]


def test_a_head_moved_back_with_the_tail_is_no_longer_signed() -> None:
    rows = trail()

    with superuser() as execute:
        execute("UPDATE audit_auditstream SET seq = 8, mac = (SELECT mac FROM audit_auditevent WHERE seq = 8)")
        execute("DELETE FROM audit_auditevent WHERE id IN (%s, %s)", rows[8:])

    assert findings() == ["its head has been changed"]


def test_an_invented_row_is_named() -> None:
    trail()

    with superuser() as execute:
        execute(
            "INSERT INTO audit_auditevent (action, code, actor, object_type, object_id, detail, stream_id, seq, mac) "
            "SELECT 'R', 'bed.view', 'ben', '', '', '{}', stream_id, seq, mac FROM audit_auditevent WHERE seq = 5"
        )

    assert findings() == [f"row {AuditEvent.objects.latest('pk').pk} (number 5) was added: that number is taken"]


def test_a_trail_truncated_altogether_is_missed(tmp_path: Path) -> None:
    trail()
    call_command("verify_audit", witness=tmp_path / "heads")
    stream = AuditStream.objects.get().pk

    with superuser() as execute:
        execute("TRUNCATE audit_auditevent")
    assert findings() == ["cut: numbers 1 to 11 are missing at the end"]
    with superuser() as execute:
        execute("TRUNCATE audit_auditstream")

    assert verify({}).findings == []  # which is why somebody else keeps a witness
    with pytest.raises(CommandError, match="1 findings"):
        call_command("verify_audit", witness=tmp_path / "heads")
    assert AuditEvent.objects.get(code="audit.verify").detail == {"rows": 0, "findings": 1}
    assert json.loads((tmp_path / "heads").read_text())[str(stream)][0] == 10


def test_an_earlier_state_of_the_whole_stream_is_not_what_the_witness_saw(tmp_path: Path) -> None:
    trail()
    earlier = AuditStream.objects.get()
    rows = trail()
    call_command("verify_audit", witness=tmp_path / "heads")

    earlier.save()
    with superuser() as execute:
        execute("DELETE FROM audit_auditevent WHERE seq > 10")

    assert (len(rows), findings()) == (20, [])
    with pytest.raises(CommandError):
        call_command("verify_audit", witness=tmp_path / "heads")


def test_a_check_takes_nothing_back_that_the_monitor_saw_meanwhile(tmp_path: Path) -> None:
    trail()
    as_the_check_saw_it = verify({}).heads
    trail()
    call_command("run_monitor", once=True, witness=tmp_path / "heads")
    seen = witness.read(tmp_path / "heads")

    witness.keep(tmp_path / "heads", as_the_check_saw_it)

    assert witness.read(tmp_path / "heads") == seen


def test_a_tail_cut_since_the_monitor_looked_is_missed(tmp_path: Path) -> None:
    trail()
    earlier = AuditStream.objects.get()
    trail()
    call_command("run_monitor", once=True, witness=tmp_path / "heads")

    earlier.save()
    with superuser() as execute:
        execute("DELETE FROM audit_auditevent WHERE seq > 10")
    call_command("run_monitor", once=True, witness=tmp_path / "heads")

    assert findings() == []
    with pytest.raises(CommandError, match="1 findings"):
        call_command("verify_audit", witness=tmp_path / "heads")


def test_a_tail_that_others_wrote_over_since_the_monitor_looked_is_missed(tmp_path: Path) -> None:
    trail()
    earlier = AuditStream.objects.get()
    trail()
    call_command("run_monitor", once=True, witness=tmp_path / "heads")

    earlier.save()
    with superuser() as execute:
        execute("DELETE FROM audit_auditevent WHERE seq > 10")
    machine_rows(20)
    call_command("run_monitor", once=True, witness=tmp_path / "heads")

    assert findings() == []
    with pytest.raises(CommandError, match="1 findings"):
        call_command("verify_audit", witness=tmp_path / "heads")


@pytest.mark.parametrize("statement", ["UPDATE {} SET actor = 'ben'", "DELETE FROM {}", "TRUNCATE {}"])
def test_every_partition_refuses_changes(statement: str) -> None:
    trail()
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tableoid::regclass::text FROM audit_auditevent")
        (used,) = [table for (table,) in cursor.fetchall()]
    assert re.fullmatch(r"audit_events_\d{4}_\d{2}", used)

    for table in ("audit_auditevent", used):
        with pytest.raises(DatabaseError, match="append-only"):
            run_protected(statement.format(table), used)


def run_protected(statement: str, partition: str) -> None:
    """Run it with the TRUNCATE triggers on, which the test database's clean-up needs off."""
    with transaction.atomic(), connection.cursor() as cursor:
        for table in ("audit_auditevent", partition):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER audit_no_truncate")
        cursor.execute(statement)


def test_every_partition_has_a_truncate_trigger() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_partition_tree('audit_auditevent')")
        (tables,) = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgname = 'audit_no_truncate'")

        assert cursor.fetchone() == (tables,)


def test_processes_that_come_and_go_leave_no_streams_behind(manage: Callable[..., ManageProcess]) -> None:
    machine_rows(3)
    for _ in range(2):
        assert manage("verify_audit").wait() == 0
    machine_rows(3)

    assert AuditStream.objects.count() == 1
    assert findings() == []


def test_who_writes_at_once_waits_for_nobody() -> None:
    def meanwhile() -> None:
        machine_rows(3)
        connection.close()

    machine_rows(3)
    with ThreadPoolExecutor() as threads, transaction.atomic():
        machine_rows(3)
        threads.submit(meanwhile).result(timeout=10)

    machine_rows(3)
    assert AuditStream.objects.count() == 2
    assert findings() == []
