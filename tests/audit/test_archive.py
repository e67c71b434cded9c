"""Months leave the database as files that can be verified, and nothing else leaves it."""

import gzip
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.db.backends.utils import CursorWrapper

from audit.archive import LOCK, ArchiveRefused, archive, verify_archive
from audit.chain import Content, Stream
from audit.models import AuditEvent
from audit.partitions import TrailInUse, lock_briefly
from audit.verify import verify
from sessions_app.registry import ALIAS
from tests.audit.test_chain import superuser
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

MONTH = date(2025, 1, 1)
FILE = "audit_events_2025_01.ndjson.gz"


@pytest.fixture(autouse=True)
def _old_months() -> Iterator[None]:
    """Partitions of January and February 2025, three rows in the first and two in the second, and two of now."""
    with connection.cursor() as cursor:
        for month in (1, 2):
            cursor.execute(
                f"CREATE TABLE audit_events_2025_0{month} PARTITION OF audit_auditevent "
                f"FOR VALUES FROM ('2025-0{month}-01Z') TO ('2025-0{month + 1}-01Z')"
            )
    for at in (datetime(2025, 1, 31, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)):
        write(at, 4 - at.month)
    AuditEvent.objects.record("R", "bed.view", actor="amara", patient_id=7)
    AuditEvent.objects.record("R", "bed.view", actor="amara", patient_id=7)
    yield
    with connection.cursor() as cursor:
        for month in (1, 2):
            cursor.execute(f"DROP TABLE IF EXISTS audit_events_2025_0{month}")


@transaction.atomic
def write(at: datetime, count: int) -> None:
    stream = Stream.open()
    stream.now = at
    content = Content("R", "bed.view", 3, "amara", 7, "bed", "4", "2001:db8::7", {"b": [1], "a": "é"})
    for link in stream.links([content] * count):
        AuditEvent.objects.create(**content._asdict(), **link._asdict())
    stream.close()


def test_an_archived_month_is_whole_and_so_is_the_rest(tmp_path: Path) -> None:
    manifest = archive(MONTH, tmp_path, actor="ada")

    assert (manifest["rows"], verify_archive(tmp_path / FILE)) == (3, 3)
    assert not AuditEvent.objects.filter(recorded_at__year=2025, recorded_at__month=1).exists()
    assert verify({})[:2] == (5, [])  # two of February, two of now, and the archiving
    event = AuditEvent.objects.get(code="audit.archive")
    assert (event.actor, event.detail["rows"]) == ("ada", 3)


def test_months_go_in_order_and_the_last_thirteen_stay(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="audit_events_2025_01 comes first"):
        archive(date(2025, 2, 1), tmp_path, actor="ada")
    with pytest.raises(ArchiveRefused, match="stay online"):
        archive(datetime.now(UTC).date(), tmp_path, actor="ada")
    with pytest.raises(ArchiveRefused, match="no partition"):
        archive(date(2024, 12, 1), tmp_path, actor="ada")


def test_a_month_with_a_changed_row_stays(tmp_path: Path) -> None:
    with superuser() as execute:
        execute("UPDATE audit_events_2025_01 SET actor = 'ben' WHERE seq = 2")

    with pytest.raises(CommandError, match="row 2 of stream"):
        call_command("archive_audit", "2025-01", to=tmp_path, by="ada")

    assert AuditEvent.objects.filter(recorded_at__year=2025).count() == 5


def test_a_month_with_a_stream_whose_head_is_gone_stays(tmp_path: Path) -> None:
    with superuser() as execute:
        execute("DELETE FROM audit_auditstream")

    with pytest.raises(CommandError, match="the head of stream"):
        call_command("archive_audit", "2025-01", to=tmp_path, by="ada")


def test_a_changed_archive_is_found_out(tmp_path: Path) -> None:
    archive(MONTH, tmp_path, actor="ada")
    path, manifest = tmp_path / FILE, tmp_path / "audit_events_2025_01.manifest.json"
    lines = gzip.decompress(path.read_bytes()).decode()

    with gzip.open(path, "wt") as file:
        file.write(lines.replace("amara", "ben"))
    with pytest.raises(CommandError, match="the file has been changed"):
        call_command("verify_audit", archive=path)

    for changed in (json.dumps(json.loads(manifest.read_text()) | {"rows": 2}), manifest.read_text()[:-9], "{}", "[]"):
        manifest.write_text(changed)
        with pytest.raises(CommandError, match="the manifest has been changed"):
            call_command("verify_audit", archive=path)


@pytest.fixture
def elsewhere() -> Iterator[CursorWrapper]:
    """Somebody else's transaction."""
    with transaction.atomic(using=ALIAS), connections[ALIAS].cursor() as cursor:
        yield cursor


def archive_and_leave(directory: Path) -> None:
    try:
        archive(MONTH, directory, actor="ada")
    finally:
        connections.close_all()


def is_about_to_write() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity "
            "WHERE state = 'idle in transaction' AND query LIKE '%FROM \"audit_auditstream\"%')"
        )
        return bool(cursor.fetchone()[0])


def test_everybody_writes_while_a_month_is_archived(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)  # a disk that takes its time
    with ThreadPoolExecutor(1) as threads:
        archiving = threads.submit(archive_and_leave, tmp_path)
        until(is_about_to_write)
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '5s'")
                AuditEvent.objects.record("R", "bed.view", actor="amara", patient_id=7)
        finally:
            os.close(os.open(tmp_path / FILE, os.O_RDONLY))  # and then fails

    assert isinstance(archiving.exception(), BrokenPipeError)
    assert verify({})[:2] == (8, [])


def test_a_month_stays_while_somebody_reads_the_trail(tmp_path: Path, elsewhere: CursorWrapper) -> None:
    elsewhere.execute("SELECT count(*) FROM audit_auditevent")

    with pytest.raises(ArchiveRefused, match="a backup"):
        archive(MONTH, tmp_path, actor="ada")

    assert verify({})[:2] == (7, [])


def test_only_one_archives_at_a_time(tmp_path: Path, elsewhere: CursorWrapper) -> None:
    elsewhere.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])

    with pytest.raises(ArchiveRefused, match="already"):
        archive(MONTH, tmp_path, actor="ada")

    assert not (tmp_path / FILE).exists()


def test_a_partition_that_a_backup_would_delay_is_left_for_later(elsewhere: CursorWrapper) -> None:
    elsewhere.execute("SELECT count(*) FROM audit_auditevent")

    with pytest.raises(TrailInUse), lock_briefly() as cursor:
        cursor.execute("SELECT audit_make_partitions(13)")  # one more than there are
