"""One thread stores what many connections bring: while one group is being confirmed, the next one gathers."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

logger = logging.getLogger(__name__)

GROUP_BYTES = 8 * 1024 * 1024

Store = Callable[[Sequence[bytes]], bool]


class GroupCommit:
    """Gives what callers bring to a blocking `store`, in the order they came, as few times as possible."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._waiting: deque[tuple[Sequence[bytes], asyncio.Future[bool]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def store(self, messages: Sequence[bytes]) -> bool:
        """Store the messages; say whether they are safe."""
        outcome: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((messages, outcome))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return await outcome

    async def close(self, last: Callable[[], None]) -> None:
        """Call `last` in the thread, which then ends."""
        await asyncio.get_running_loop().run_in_executor(self._thread, last)
        self._thread.shutdown()

    async def _run(self) -> None:
        while self._waiting:
            messages, outcomes = self._gather()
            try:
                is_stored = await asyncio.get_running_loop().run_in_executor(self._thread, self._store, messages)
            except Exception:  # whatever it is: its senders are told to send again, and others may go on
                logger.exception("store failed")
                is_stored = False
            for outcome in outcomes:
                if not outcome.cancelled():
                    outcome.set_result(is_stored)

    def _gather(self) -> tuple[list[bytes], list[asyncio.Future[bool]]]:
        group: list[bytes] = []
        outcomes: list[asyncio.Future[bool]] = []
        size = 0
        while self._waiting and size < GROUP_BYTES:
            messages, outcome = self._waiting.popleft()
            group += messages
            outcomes.append(outcome)
            size += sum(map(len, messages))
        return group, outcomes
