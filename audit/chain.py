"""The chain that makes a changed audit row show: each row's MAC covers its content and the MAC of the row before.

A transaction writes a stream that no other one writes just then, so no writer waits for another, and there are as many
streams as there ever were such transactions at once. The stream's row in `audit_auditstream` holds its head: how many
rows it has and the last MAC, signed. Without the key, which the database does not hold, nobody can make a row, a MAC or
a head that `verify` accepts.
"""

import functools
import hashlib
import hmac
import ipaddress
import json
import os
import socket
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db import connection

START: Final = bytes(32)  # in place of the MAC before the first row

OPEN: Final = """
SELECT id, seq, mac, kept_from, kept_mac, clock_timestamp() FROM audit_auditstream {} LIMIT 1 FOR UPDATE SKIP LOCKED"""
LATEST: Final = OPEN.format("WHERE id = %s")
FREE: Final = OPEN.format("ORDER BY id")
CREATE: Final = """
INSERT INTO audit_auditstream (name, seq, mac, kept_from, kept_mac, signature)
VALUES (%s, 0, %s, 1, %s, '') RETURNING id, seq, mac, kept_from, kept_mac, clock_timestamp()"""
ADVANCE: Final = "UPDATE audit_auditstream SET seq = %s, mac = %s, signature = %s WHERE id = %s"

canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode  # jsonb does not keep the order of keys
_mine = threading.local()  # the id of the stream that this thread wrote last: most likely nobody else does


class Content(NamedTuple):
    """What a row says, besides where it stands."""

    action: str
    code: str
    actor_id: int | None
    actor: str
    patient_id: int | None
    object_type: str
    object_id: str
    source_ip: str | None
    detail: Mapping[str, Any]


class Link(NamedTuple):
    """Where a row stands: `mac` is 32 bytes."""

    recorded_at: datetime
    stream_id: int
    seq: int
    mac: bytes


class Stream:
    """A stream, locked until the transaction ends. A rollback takes the head back too."""

    def __init__(self, pk: int, seq: int, mac: bytes, kept: tuple[int, bytes], now: datetime) -> None:
        self.pk, self.seq, self.mac, self.kept, self.now = pk, seq, mac, kept, now

    @classmethod
    def open(cls) -> "Stream":
        """Return a free stream at its last row, else a new one; needs a transaction. The clock is PostgreSQL's."""
        latest = getattr(_mine, "stream", 0)
        created: list[Any] = [f"{socket.gethostname()}:{os.getpid()}", START, START]
        with connection.cursor() as cursor:
            for query, parameters in ((LATEST, [latest]), (FREE, []), (CREATE, created)):
                cursor.execute(query, parameters)
                if row := cursor.fetchone():
                    break
        _mine.stream, seq, mac, kept_from, kept_mac, now = row
        return cls(_mine.stream, seq, bytes(mac), (kept_from, bytes(kept_mac)), now)

    def links(self, contents: Iterable[Content]) -> Iterable[Link]:
        """Chain rows of these contents, in order."""
        for content in contents:
            self.seq += 1
            self.mac = row_mac(self.mac, self.pk, self.seq, self.now, content)
            yield Link(self.now, self.pk, self.seq, self.mac)

    def close(self) -> None:
        """Write the head, once the rows are written."""
        signature = head_mac(self.pk, self.seq, self.mac, *self.kept)
        with connection.cursor() as cursor:
            cursor.execute(ADVANCE, [self.seq, self.mac, signature, self.pk])


def row_mac(previous: bytes, stream_id: int, seq: int, recorded_at: datetime, content: Content) -> bytes:
    """Return the MAC of a row; a JSON array, so that no text can pose as two fields."""
    row = content
    address = ipaddress.ip_address(row.source_ip).packed.hex() if row.source_ip else ""
    actor, patient = ("null" if pk is None else pk for pk in (row.actor_id, row.patient_id))
    # What `canonical` makes of the list of them, in a third of its time: an encoder would be made for each row.
    text = (
        f"[{stream_id},{seq},{_stamp(recorded_at)},{quoted(row.action)},{quoted(row.code)},{actor},{quoted(row.actor)},"
        f"{patient},{quoted(row.object_type)},{quoted(row.object_id)},{quoted(address)},"
        f"{canonical(row.detail) if row.detail else '{}'}]"
    )
    return hmac.digest(key(), previous + text.encode(), "sha256")


@functools.lru_cache(maxsize=64)  # the rows of a transaction have one time
def _stamp(recorded_at: datetime) -> str:
    return quoted(recorded_at.astimezone(UTC).isoformat(timespec="microseconds"))


def head_mac(stream_id: int, seq: int, mac: bytes, kept_from: int, kept_mac: bytes) -> bytes:
    """Return the signature of a stream's row: where it ends, and from which row on it is kept."""
    text = json.dumps(["head", stream_id, seq, mac.hex(), kept_from, kept_mac.hex()])
    return hmac.digest(key(), text.encode(), "sha256")


@functools.cache
def key() -> bytes:
    """Return the chain's key: EPICOPS_AUDIT_KEY, or one derived from the signing key."""
    secret: str = settings.EPICOPS_AUDIT_KEY or settings.SECRET_KEY
    return hashlib.sha256(b"epicops.audit.chain\0" + secret.encode()).digest()
