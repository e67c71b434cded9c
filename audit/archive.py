"""Retention: a month of the trail leaves the database as a file that can still be verified, and only then is dropped.

The file has a row a line, in the order of the chain; the manifest beside it says where each stream's part begins and
ends, and is signed with the chain's key.
"""

import gzip
import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.db import connection, transaction
from psycopg import sql

from audit.chain import Content, canonical, head_mac, key, row_mac
from audit.models import AuditEvent, AuditStream
from audit.partitions import TrailInUse, lock_briefly

FETCH: Final = 2_000  # rows at a time
ONLINE: Final = 13  # months that stay in the database, this one included
LOCK: Final = 0x4152_4348  # "ARCH": our number among PostgreSQL's advisory locks
COLUMNS: Final = ("stream_id", "seq", "recorded_at", *Content._fields, "mac")


class ArchiveRefused(Exception):  # noqa: N818  named for the state
    """The month stays where it is."""


class Part(NamedTuple):
    """A stream's rows within the archive: numbers of the first and the last, the MAC before and the last, as hex."""

    first: int
    before: str
    last: int
    mac: str


class Row(NamedTuple):
    stream_id: int
    seq: int
    recorded_at: datetime
    content: Content
    mac: bytes


def partition_of(month: date) -> str:
    return f"audit_events_{month:%Y_%m}"


@transaction.atomic(durable=True)
def archive(month: date, directory: Path, *, actor: str) -> dict[str, Any]:
    """Write a month's rows to `directory`, drop them, record it, and return the manifest.

    Raises ArchiveRefused for a month that is too young or not the oldest, for rows the chain does not vouch for, and
    where somebody else archives, or reads the trail all the while.
    """
    require_alone()
    partition = partition_of(month)
    require_oldest(month, partition)
    path = directory / f"{partition}.ndjson.gz"
    # Nothing is locked yet: it takes minutes, and everybody writes to the trail.
    parts = write_rows(path, stored_rows(partition), AuditStream.objects.in_bulk())
    manifest = {
        "month": f"{month:%Y-%m}",
        "rows": sum(part.last - part.first + 1 for part in parts.values()),
        "sha256": digest(path),
        "streams": {str(pk): list(part) for pk, part in parts.items()},
    }
    manifest_path(path).write_text(json.dumps(manifest | {"signature": signature(manifest)}))
    for written in (path, manifest_path(path), directory):  # before the rows go
        sync(written)
    for stream in AuditStream.objects.select_for_update().filter(pk__in=parts).order_by("pk"):
        advance(stream, parts[stream.pk])
    drop(partition)
    detail = {name: manifest[name] for name in ("month", "rows", "sha256")}
    AuditEvent.objects.record("D", "audit.archive", actor=actor, object_type="partition", detail=detail)
    return manifest


def require_alone() -> None:
    """Raise ArchiveRefused while another one archives: both would write the same file."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            raise ArchiveRefused("a month is being archived already")


def require_oldest(month: date, partition: str) -> None:
    """Raise ArchiveRefused unless every earlier month has gone and this one has been online for long enough."""
    now = datetime.now(UTC)
    if (now.year - month.year) * 12 + now.month - month.month < ONLINE:
        raise ArchiveRefused(f"{month:%Y-%m} is one of the {ONLINE} months that stay online")
    with connection.cursor() as cursor:
        cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree('audit_auditevent') WHERE isleaf")
        months = sorted(name for (name,) in cursor.fetchall() if name != "audit_events_other")
        if partition not in months:
            raise ArchiveRefused(f"{month:%Y-%m} has no partition")
        if partition != months[0]:
            raise ArchiveRefused(f"{months[0]} comes first")
        cursor.execute("SELECT EXISTS (SELECT FROM audit_events_other)")
        if cursor.fetchone()[0]:
            raise ArchiveRefused("audit_events_other has rows, which may be of this month")


def stored_rows(partition: str) -> Iterator[Row]:
    columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    query = sql.SQL("SELECT {} FROM {} ORDER BY stream_id, seq").format(columns, sql.Identifier(partition))
    with connection.chunked_cursor() as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(FETCH):
            for stream_id, seq, recorded_at, *content, mac in rows:
                *_, address, detail = content
                stored = Content(*content)._replace(source_ip=address and str(address), detail=json.loads(detail))
                yield Row(stream_id, seq, recorded_at, stored, bytes(mac))


def write_rows(path: Path, rows: Iterator[Row], streams: dict[int, AuditStream]) -> dict[int, Part]:
    """Write rows that follow from where their streams are kept; return what was written of each stream."""
    parts: dict[int, Part] = {}
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for row in rows:
            if row.stream_id not in streams:
                raise ArchiveRefused(f"the head of stream {row.stream_id} is missing")
            part = parts.get(row.stream_id) or beginning(streams[row.stream_id])
            parts[row.stream_id] = follow(part, row)
            recorded_at = row.recorded_at.astimezone(UTC).isoformat()
            file.write(canonical([row.stream_id, row.seq, recorded_at, list(row.content), row.mac.hex()]) + "\n")
    return parts


def beginning(stream: AuditStream) -> Part:
    """Return the part of a stream without a row yet."""
    before = bytes(stream.kept_mac).hex()
    return Part(stream.kept_from, before, stream.kept_from - 1, before)


def follow(part: Part, row: Row) -> Part:
    """Return the part with this row at its end; raises ArchiveRefused for one that does not follow."""
    expected = row_mac(bytes.fromhex(part.mac), row.stream_id, row.seq, row.recorded_at, row.content)
    if row.seq != part.last + 1 or not hmac.compare_digest(expected, row.mac):
        raise ArchiveRefused(f"row {row.seq} of stream {row.stream_id} does not follow from row {part.last}")
    return Part(part.first, part.before, row.seq, row.mac.hex())


def advance(stream: AuditStream, part: Part) -> None:
    """Let the stream begin behind what was archived."""
    stream.kept_from, stream.kept_mac = part.last + 1, bytes.fromhex(part.mac)
    stream.signature = head_mac(stream.pk, stream.seq, bytes(stream.mac), stream.kept_from, stream.kept_mac)
    stream.save(update_fields=["kept_from", "kept_mac", "signature"])


def drop(partition: str) -> None:
    name = sql.Identifier(partition)
    try:
        with lock_briefly() as cursor:
            cursor.execute(sql.SQL("ALTER TABLE audit_auditevent DETACH PARTITION {}").format(name))
            cursor.execute(sql.SQL("DROP TABLE {}").format(name))
    except TrailInUse as error:
        raise ArchiveRefused("a backup or a check reads the trail; archive the month when that has ended") from error


def verify_archive(path: Path) -> int:
    """Return how many rows an archive has; raises ArchiveRefused when it is not what was written."""
    try:
        manifest = json.loads(manifest_path(path).read_text())
        is_ours = hmac.compare_digest(manifest.pop("signature"), signature(manifest))
    except (ValueError, KeyError, TypeError, AttributeError):
        is_ours = False
    if not is_ours:
        raise ArchiveRefused("the manifest has been changed")
    if digest(path) != manifest["sha256"]:
        raise ArchiveRefused("the file has been changed")
    wanted = {int(pk): Part(*part) for pk, part in manifest["streams"].items()}
    found = {pk: Part(part.first, part.before, part.first - 1, part.before) for pk, part in wanted.items()}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            pk, seq, recorded_at, content, mac = json.loads(line)
            row = Row(pk, seq, datetime.fromisoformat(recorded_at), Content(*content), bytes.fromhex(mac))
            found[pk] = follow(found[pk], row)
    if found != wanted:
        raise ArchiveRefused("rows are missing")
    return int(manifest["rows"])


def manifest_path(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".ndjson.gz") + ".manifest.json")


def sync(path: Path) -> None:
    """Return once a file, or a folder's list of files, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def signature(manifest: dict[str, Any]) -> str:
    return hmac.digest(key(), ("archive" + canonical(manifest)).encode(), "sha256").hex()


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
