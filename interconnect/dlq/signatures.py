"""What makes two failures the same: cause, place and sender, without what differs from message to message."""

import hashlib
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from django.db import connection

from epicops.bulk import columns_of
from interconnect.hl7.er7 import Header
from interconnect.hl7.rejected import MessageRejected

NUMBER_OF_SEGMENT: Final = re.compile(r"\[\d+\]")  # of OBX[3]-5: the third today, the fourth tomorrow
DIGITS: Final = re.compile(r"\d[\d,.]*")

FILE: Final = """
INSERT INTO interconnect_failuregroup AS failure
  (fingerprint, error_class, error_path, error_text, message_type, sending_application, sending_facility)
SELECT * FROM unnest(%s::bytea[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
ON CONFLICT (fingerprint) DO UPDATE SET
  last_seen_at = excluded.last_seen_at,
  state = CASE failure.state WHEN 'resolved' THEN 'open' ELSE failure.state END,
  regressed_at = CASE failure.state WHEN 'resolved' THEN excluded.last_seen_at ELSE failure.regressed_at END
RETURNING fingerprint, id
"""


class Signature(NamedTuple):
    """The columns of FailureGroup that tell one failure from another."""

    error_class: str
    error_path: str
    error_text: str
    message_type: str
    sending_application: str
    sending_facility: str

    @property
    def fingerprint(self) -> bytes:
        """32 bytes that are equal for equal signatures only."""
        return hashlib.sha256("\0".join(self).encode(errors="surrogatepass")).digest()


def signature_of(error: MessageRejected, header: Header) -> Signature:
    """Return the signature of this failure of a message with this header."""
    return Signature(
        error.error_class,
        NUMBER_OF_SEGMENT.sub("", error.path),
        DIGITS.sub("#", error.text),
        header.message_type,
        header.sending_application,
        header.sending_facility,
    )


def file_failures(signatures: Sequence[Signature]) -> list[int]:
    """Return the failure group of each, made or brought up to date; one that was resolved is open again."""
    by_fingerprint = {signature.fingerprint: signature for signature in signatures}
    if not by_fingerprint:
        return []
    rows = [(fingerprint, *by_fingerprint[fingerprint]) for fingerprint in sorted(by_fingerprint)]
    with connection.cursor() as cursor:  # sorted: two workers that lock the same groups never wait for each other
        cursor.execute(FILE, columns_of(rows, 7))
        groups = {bytes(fingerprint): pk for fingerprint, pk in cursor.fetchall()}
    return [groups[signature.fingerprint] for signature in signatures]
