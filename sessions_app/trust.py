"""Whether Redis may be believed, and under which generation; agreed among all processes through one PostgreSQL row.

A failed call to Redis switches every process to PostgreSQL within FENCE seconds. When Redis answers again, the
generation is raised: that one UPDATE withdraws the voucher of every hash there, and each session is looked up in
PostgreSQL the next time it is used. The same happens when another server answers (a restart with old data, a promoted
replica) and when the server was emptied. Of a Cluster every shard is a server; since one of them may be emptied unseen,
PostgreSQL is asked about each session that a Cluster does not know.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.db import DatabaseError, InterfaceError, close_old_connections, connections
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, RedisError

from audit.models import AuditEvent
from epicops import keys
from epicops.redis_client import Redis, sessions_store_client
from epicops.redis_shards import forget_connections, is_spread, server_identity
from sessions_app.registry import ALIAS

logger = logging.getLogger(__name__)
T = TypeVar("T")

FENCE: Final = 1.0  # seconds; the oldest knowledge a request goes by
OUTAGE: Final = (RedisError, OSError)
DATABASE: Final = (DatabaseError, InterfaceError)
TRIES: Final = 4

READ: Final = """SELECT generation, mode, run_id, extract(epoch FROM clock_timestamp() - since)::float8,
  extract(epoch FROM clock_timestamp() - distrusted_at)::float8 FROM sessions_app_storestate WHERE id = 1"""
MAKE: Final = """INSERT INTO sessions_app_storestate (id, generation, mode, run_id) VALUES (1, 1, 'redis', '')
  ON CONFLICT DO NOTHING"""
FALL_BACK: Final = """UPDATE sessions_app_storestate SET mode = 'fallback', since = clock_timestamp()
  WHERE id = 1 AND mode = 'redis'"""
# By the clock: a PostgreSQL that was put back to an earlier state gives no number out again that a hash has from it.
RAISE: Final = """UPDATE sessions_app_storestate SET distrusted_at = clock_timestamp(),
  generation = greatest(generation + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)"""
RECOVER: Final = f"{RAISE}, mode = 'redis', since = clock_timestamp() WHERE id = 1 AND mode = 'fallback'"
OTHER_SERVER: Final = f"{RAISE}, run_id = %(id)s WHERE id = 1 AND run_id <> %(id)s"
# The latest shards by whom they were; one that fell out of the list is only met once more.
OTHER_SHARD: Final = f"""{RAISE}, run_id = right(concat_ws(' ', nullif(run_id, ''), %(id)s), 4000)
  WHERE id = 1 AND %(id)s <> ALL (string_to_array(run_id, ' '))"""
DISTRUST: Final = f"{RAISE} WHERE id = 1 AND generation = %s"


class SessionsUnavailable(Exception):  # noqa: N818  a state of the stores, not a fault of the caller
    """Neither store answers. Nothing is known about the session, so nobody is logged out."""


@dataclass(frozen=True, slots=True)
class State:
    """The row as this process knows it. `age` and `distrusted` are seconds, as of `read_at` on this process' clock."""

    read_at: float = float("-inf")
    generation: int = 1
    mode: str = "redis"
    run_id: str = ""
    age: float = 0.0
    distrusted: float | None = None


class Trust:
    """What this process knows of the stores."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reading = threading.Lock()
        self._server = ""  # identity of the server that this process is connected to
        self._redis_from = 0.0
        self._ticked_at = float("-inf")  # not that of the state: who only reads it has not looked for Redis
        self.state = State()

    @property
    def client(self) -> Redis:
        return sessions_store_client(on_connect)

    @property
    def is_spread(self) -> bool:
        """Whether the sessions are in several servers at once."""
        return is_spread(self.client)

    def is_redis(self) -> bool:
        """Whether to ask Redis now. Costs a query where this process' knowledge is older than FENCE."""
        is_new = self._ticked_at == float("-inf")
        if self._clock() - self._ticked_at > FENCE and self._reading.acquire(blocking=is_new):
            try:
                self.tick()
            finally:
                self._reading.release()
        return self.state.mode == "redis" and self._clock() >= self._redis_from

    def is_redis_by_now(self) -> bool:
        """Whether Redis has to hear of what was just written to the registry.

        While this process still went by the registry, others may have gone back to Redis, and looked the session up
        before that write. If they have not, they will look it up after it. Raises one of DATABASE.
        """
        if not self.is_redis():
            self._read()
        return self.state.mode == "redis"

    def tick(self) -> None:
        """Learn what the others know; in fallback, see whether Redis is back. Never raises for a store that is away."""
        if self._clock() - self._ticked_at <= FENCE / 2:
            return  # another thread has just done it
        try:
            self._read()
            self._ticked_at = self._clock()
            if self.state.mode == "fallback" and self.state.age >= FENCE:
                self._probe()
        except DATABASE as error:
            # Redis' word goes on counting: a logout cannot have been recorded either.
            self._ticked_at = self._clock()
            _log(error)
        if self._server and self.state.run_id not in {"", self._server}:
            self._server = ""
            forget_connections(self.client)  # others talk to another server: look again which one is ours

    def ask(self, call: Callable[[Redis, int], T]) -> T:
        """Return what Redis answers under the current generation; raise one of OUTAGE when it does not.

        Every call may be repeated: where its connection was cut, and where the generation changed under it.
        """
        reply: T
        for attempt in range(TRIES):
            generation = self.state.generation
            try:
                reply = call(self.client, generation)
            except RedisConnectionError:
                if self.is_spread:  # whoever serves its slots next has to be met, over whichever connection
                    forget_connections(self.client)
                if attempt:
                    raise
                continue
            if generation == self.state.generation:
                return reply
        raise RedisConnectionError("the server keeps changing")

    def fall_back(self, error: BaseException) -> None:
        """Make every process use PostgreSQL; raise SessionsUnavailable when that is away, too."""
        self._redis_from = self._clock() + FENCE
        name = type(error).__name__
        if isinstance(error, NoPermissionError):
            logger.critical("this process' redis user may not use sessions: nobody's are read from redis because of it")
        try:
            if self._execute(FALL_BACK):
                logger.error("sessions fall back to postgresql", extra={"error": name})
                AuditEvent.objects.record("E", "sessions.fallback", actor="sessions", detail={"error": name})
            self._read()
        except DATABASE as failure:
            raise SessionsUnavailable from failure

    def distrust(self, generation: int | None = None) -> None:
        """Have every session in Redis looked up in PostgreSQL again; harmless when somebody else just did that."""
        if self._execute(DISTRUST, [self.state.generation if generation is None else generation]):
            logger.warning("sessions in redis are verified again")
        self._read()
        self.client.set(keys.SESSIONS_GENERATION, self.state.generation)

    def was_distrusted_within(self, seconds: float) -> bool:
        """Whether sessions that Redis does not know may be alive all the same."""
        distrusted = self.state.distrusted
        return distrusted is not None and distrusted + self._clock() - self.state.read_at < seconds

    def meet(self, identity: str) -> None:
        """Take note of the server behind a new connection; under another than before, nothing in it is vouched for."""
        if not self.is_spread:
            self._server = identity
        if identity in self.state.run_id.split():
            return
        try:
            if self._execute(OTHER_SHARD if self.is_spread else OTHER_SERVER, {"id": identity}):
                logger.warning("another redis server holds the sessions: they are verified again")
            self._read()
        except DATABASE as error:
            _log(error)

    def forget(self) -> None:
        """Know nothing, as a new process."""
        self._redis_from, self._server, self._ticked_at, self.state = 0.0, "", float("-inf"), State()
        forget_connections(self.client)

    def _probe(self) -> None:
        """Go back to Redis if it takes writes: whatever is in it is verified from here on."""
        try:
            self.ask(lambda redis, _: redis.ping() and redis.set(keys.SESSIONS_GENERATION, 0, nx=True))
        except OUTAGE:
            return
        seconds, is_mine = round(self.state.age, 1), self._execute(RECOVER)
        self._redis_from = 0.0
        self._read()
        if is_mine:
            logger.warning("sessions are back in redis", extra={"outage_seconds": seconds})
            AuditEvent.objects.record("E", "sessions.recovered", actor="sessions", detail={"seconds": seconds})
            with suppress(*OUTAGE):  # who misses it has all of them verified once more
                self.client.set(keys.SESSIONS_GENERATION, self.state.generation)

    def _read(self) -> None:
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(READ)
            row = cursor.fetchone()
            if row is None:
                cursor.execute(MAKE)
                cursor.execute(READ)
                row = cursor.fetchone()
        self.state = State(self._clock(), *row)

    def _execute(self, sql: str, parameters: list[Any] | dict[str, Any] | None = None) -> bool:
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(sql, parameters)
            return bool(cursor.rowcount)


def _log(error: BaseException) -> None:
    logger.error("session registry unavailable", extra={"error": type(error).__name__})


trust = Trust()


def on_connect(connection: Any) -> None:
    """Greet the server as redis-py does, then see whether it is the one we know, before anything is asked of it."""
    connection.on_connect()
    with suppress(NoPermissionError):
        if identity := server_identity(connection):
            trust.meet(identity)


def watch() -> None:
    """Keep this process' knowledge fresh from a thread, so that no request pays for it."""

    def run() -> None:
        while True:
            time.sleep(FENCE / 4)
            look()

    threading.Thread(target=run, name="sessions-watch", daemon=True).start()


def look() -> None:
    """Do what `watch` repeats; a connection that an outage of PostgreSQL broke is made anew, as for each request."""
    close_old_connections()
    trust.tick()
