"""Months leave the database as files that can be verified, and nothing else leaves it."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from audit.archive import ArchiveRefused, archive, verify_archive
from audit.chain import Content, Stream
from audit.models import AuditEvent
from audit.verify import verify
from tests.audit.test_chain import superuser

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

    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"rows": 2}))
    with pytest.raises(CommandError, match="the manifest has been changed"):
        call_command("verify_audit", archive=path)
