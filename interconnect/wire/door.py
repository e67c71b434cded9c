"""What becomes of what MLLP senders deliver: messages are stored and only then acknowledged, all else is refused."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import DatabaseError, InterfaceError, close_old_connections, connections

from interconnect.wire.ack import reply
from interconnect.wire.group_commit import GroupCommit
from interconnect.wire.intake import Intake
from interconnect.wire.mllp import Event, Frame
from interconnect.wire.mllp_server import Reply
from interconnect.wire.objections import ANYBODY, NOT_STORED, Objection, Senders, objection
from interconnect.wire.refused import Refusal, RefusalLog

logger = logging.getLogger(__name__)

INSIST_SECONDS = 0.5  # between attempts to store what has no answer to ask for it again with
RECORD_SECONDS = 1.0  # between two writes of refused frames


class Door:
    """Answers each frame. AA means that the message is safe; `Intake` says where."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._commits = GroupCommit(self._store)
        self._refusals = RefusalLog()
        self._records = ThreadPoolExecutor(1, thread_name_prefix="records")
        self._has_refused = asyncio.Event()
        self._recording = asyncio.create_task(self._record_forever())

    def connected(self, peer: str) -> None:
        self._intake.meet()

    def turned_away(self, peer: str, reason: str) -> None:
        logger.warning("connection refused", extra={"peer": peer, "reason": reason})
        self._record(Refusal(reason, 0, b""), peer)

    async def answer(self, events: Sequence[Event], peer: str, senders: Senders = ANYBODY) -> list[Reply]:
        """Store the good frames of one read, oldest first; return the answers in the order of the frames."""
        objections = [objection(event, senders) for event in events]
        good = [
            event.payload for event, no in zip(events, objections, strict=True) if isinstance(event, Frame) and not no
        ]
        is_stored = not good or await self._commits.store(good)
        if not is_stored and (silent := [raw for raw in good if reply(raw, "AE") is None]):
            await self._insist(silent, peer)
        replies: list[Reply] = []
        for event, no in zip(events, objections, strict=True):
            if isinstance(event, Frame) and no is None:
                raw = event.payload
                code, error = ("AA", None) if is_stored else (NOT_STORED.code, NOT_STORED.error)
                replies.append(Reply(reply(raw, code, error=error)))
            elif no is not None:
                replies.append(self._refuse(event, no, peer))
        return replies

    async def close(self) -> None:
        """Write what is still to be recorded, and let go of the database."""
        self._recording.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._recording
        await self._flush()
        await asyncio.get_running_loop().run_in_executor(self._records, connections.close_all)
        self._records.shutdown()
        await self._commits.close(connections.close_all)

    async def _insist(self, messages: Sequence[bytes], peer: str) -> None:
        """Store messages whose sender hears of no failure, however long it takes: meanwhile nothing is read from it."""
        logger.warning("a sender without answers has to wait", extra={"peer": peer, "count": len(messages)})
        try:
            while not await self._commits.store(messages):  # noqa: ASYNC110  nothing tells when a server is back
                await asyncio.sleep(INSIST_SECONDS)
        except asyncio.CancelledError:
            for raw in messages:
                self._record(Refusal("Not stored, and its sender wants no answer", len(raw), raw), peer)
            raise

    def _refuse(self, event: Event, no: Objection, peer: str) -> Reply:
        raw, size = (event.payload, len(event.payload)) if isinstance(event, Frame) else (event.head, event.size)
        answer = reply(raw, no.code, error=no.error) if no.code else None
        self._record(Refusal(no.error.text, size, raw, answer), peer)
        return Reply(answer, is_refusal=bool(no.code))

    def _record(self, refusal: Refusal, peer: str) -> None:
        self._refusals.add(refusal, peer)
        self._has_refused.set()

    async def _record_forever(self) -> None:
        while True:
            await self._has_refused.wait()
            self._has_refused.clear()
            await self._flush()
            await asyncio.sleep(RECORD_SECONDS)

    async def _flush(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._records, self._write_records)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("refused frames wait for the database", extra={"error": type(error).__name__})
            self._has_refused.set()

    def _write_records(self) -> None:
        close_old_connections()
        if number := self._refusals.flush():
            logger.warning("frames refused", extra={"count": number})

    def _store(self, messages: Sequence[bytes]) -> bool:
        close_old_connections()
        return self._intake.store(messages)


class Entrance:
    """One listener's way to the door, which may be for certain senders only."""

    def __init__(self, door: Door, senders: Senders) -> None:
        self._door = door
        self._senders = senders
        self.connected = door.connected
        self.turned_away = door.turned_away

    async def answer(self, events: Sequence[Event], peer: str) -> list[Reply]:
        return await self._door.answer(events, peer, self._senders)
