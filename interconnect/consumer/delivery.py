"""One delivery of one message: read once, then applied, skipped or dead."""

import hashlib
import logging
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from interconnect.finding.tokens import Tokens, header_tokens, segment_tokens, tokens_in
from interconnect.handlers.dispatch import interpret
from interconnect.handlers.interpretation import MessageSkipped
from interconnect.hl7 import er7
from interconnect.hl7.rejected import MessageRejected
from interconnect.models import InboundMessage
from vitals.codes import NO_LOCAL_CODES, LocalCodes
from vitals.events import Event

logger = logging.getLogger(__name__)

Status = InboundMessage.Status
REASON_LENGTH: Final = 200
CONTROL_ID_REUSED: Final = "control ID reused with other content"


@dataclass(slots=True)
class Delivery:
    """What is known of a message while its batch is being applied."""

    ordinal: int
    raw: bytes
    replay_of: int | None = None
    is_release: bool = False  # delivered again because a pause is over, not because a person asked
    has_killed: bool = False  # it is the replay of a message at which workers died
    mode: str = ""  # of a replay: what newer messages mean to it, see lateness.py
    slices: Callable[[], Iterable[bytes]] | None = None  # of all its bytes, where `raw` has only the first
    verdict: MessageRejected | None = None  # why it is dead whatever it says
    header: er7.Header = field(init=False)
    message: er7.Message | None = None  # where the bytes can be read
    sha256: bytes = field(init=False)
    status: InboundMessage.Status = Status.APPLIED
    reason: str = ""
    events: tuple[Event, ...] = ()
    error: MessageRejected | None = None
    message_id: int = 0  # assigned in the transaction
    patient_id: int | None = None
    duplicate_of: int | None = None
    pause_id: int | None = None
    is_control_id_reused: bool = False
    _named: Tokens | None = None

    @property
    def is_asked_for(self) -> bool:
        """Whether a person wants it delivered again."""
        return self.replay_of is not None and not self.is_release

    @property
    def mark(self) -> int:
        """What tells it from the others that are delivered with it, also when some of those are different next time."""
        return self.replay_of or self.ordinal

    @property
    def named(self) -> Tokens:
        """What its segments name, for the search."""
        if self._named is None:
            self._named = segment_tokens(self.message) if self.message else tokens_in(self.raw)
        return self._named

    @property
    def tokens(self) -> list[int]:
        """What it is found by."""
        error = self.error.error_class if self.error else ""
        return sorted(self.named | header_tokens(self.header, self.status.value, error))

    def interpret(self, verdict: MessageRejected | None = None, local_codes: LocalCodes = NO_LOCAL_CODES) -> "Delivery":
        """Read the message; afterwards it has events to apply, or is skipped or dead. With a verdict it is dead.

        With events and an error it is both applied and, for the part that could not be used, a dead letter.
        """
        self.header = er7.peek_header(self.raw)
        self.sha256 = _sha256(self.slices() if self.slices else (self.raw,))
        self.verdict = verdict or self.verdict
        if self.verdict:
            self.die(self.verdict)
            return self
        try:
            self.message = er7.parse(self.raw)
            self.events, self.reason, self.error = interpret(self.message, local_codes)
        except MessageSkipped as skipped:
            self.status, self.reason = Status.SKIPPED, str(skipped)
        except MessageRejected as error:
            self.die(error)
        except Exception as error:  # noqa: BLE001  the per-message boundary: one message never stops the others
            self.die(unexpected(error, self.ordinal))
        return self

    def die(self, error: MessageRejected) -> None:
        """Make this a dead letter."""
        self.status, self.error, self.events, self.reason = Status.DEAD, error, (), ""

    def remark(self, text: str) -> None:
        """Say this of the message besides."""
        self.reason = "; ".join(filter(None, (text, self.reason)))[:REASON_LENGTH]

    def set_aside(self, original: int) -> None:
        """Skip this copy of message `original`."""
        self.duplicate_of = original
        self.skip(f"duplicate of message {original}")

    def skip(self, reason: str) -> None:
        """Keep this without applying it."""
        self.status, self.reason, self.events, self.error = Status.SKIPPED, reason, (), None

    def come_back(self, original: int) -> None:
        """Skip this, which is message `original` once more: a failover has undone its claim."""
        self.set_aside(original)
        self.reason = f"came back after a failover: message {original}"

    def hold(self, pause_id: int) -> None:
        """Keep this back until the pause is over."""
        self.pause_id = pause_id
        self.status, self.reason, self.events, self.error = Status.HELD, f"held by pause {pause_id}", (), None

    def row(self, batch_id: object) -> tuple[Any, ...]:
        """Return the columns of InboundMessage named in `COLUMNS`."""
        header = self.header
        return (
            self.message_id,
            batch_id,
            self.ordinal,
            self.status.value,
            self.reason or (CONTROL_ID_REUSED if self.is_control_id_reused else ""),
            header.message_type,
            header.control_id,
            header.sending_application,
            header.sending_facility,
            self.patient_id,
            self.raw,
            self.sha256,
            self.replay_of,
            self.duplicate_of,
            self.pause_id,
        )


COLUMNS = (
    "id",
    "batch_id",
    "ordinal",
    "status",
    "reason",
    "message_type",
    "control_id",
    "sending_application",
    "sending_facility",
    "patient_id",
    "raw",
    "sha256",
    "replay_of_id",
    "duplicate_of_id",
    "pause_id",
)


def _sha256(parts: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def unexpected(error: Exception, ordinal: int) -> MessageRejected:
    """Return the rejection for a fault of ours. Its text stays out of it and of the log: it may quote the message."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    logger.error(
        "message could not be applied", extra={"ordinal": ordinal, "error": type(error).__name__, "where": where}
    )
    return MessageRejected("internal-error", f"epicops failed with {type(error).__name__}", code="207")
