"""Latest vitals of beds: this process' copy answers, else Redis, else PostgreSQL, which fills Redis.

The worker writes a bed's document through after each commit. Readers fill only what they hold a lease for, and no write
replaces a newer document (`vitals.fence`). Nothing is cached longer than 60 s.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from redis.exceptions import RedisError

from epicops import keys
from epicops.breaker import Breaker, CircuitOpen
from epicops.clock import now
from vitals import documents, fence
from vitals.counts import Layer, Result, count
from vitals.documents import MALFORMED, BedVitals, Encounter, Loaded, Source
from vitals.local_copy import copies
from vitals.models import Bed

WAIT_SECONDS: Final = 0.25  # for another reader's fill; then PostgreSQL is asked anyway
WAIT_STEP: Final = 0.005  # seconds
OBJECT_SIZE: Final = 12  # bytes in this process for one byte of JSON
UNAVAILABLE: Final = (CircuitOpen, RedisError)

breaker = Breaker("cache")
_owed: set[int] = set()  # beds whose documents this process could not write while Redis was away


def read_beds(beds: Sequence[Bed], encounters: Mapping[int, Encounter] | None = None) -> dict[int, BedVitals]:
    """Return each bed's vitals by its id: one MGET, and one query for all the beds that missed.

    `encounters` says by bed id whose visit is there: a cached document of another one is replaced, not returned.
    """
    encounters = encounters or {}
    found = _copied(beds, encounters) if copies.is_started else {}
    if len(found) == len(beds):
        return found
    return found | _Reading({bed.key: bed.pk for bed in beds if bed.pk not in found}, encounters).run()


def read_cached(beds: Sequence[Bed], encounters: Mapping[int, Encounter]) -> dict[int, BedVitals]:
    """Return what this process' copies and Redis hold of these visits, without asking PostgreSQL for the rest."""
    found = _copied(beds, encounters)
    return found | _Reading({bed.key: bed.pk for bed in beds if bed.pk not in found}, encounters).run(fill=False)


def read_shared(beds: Sequence[Bed]) -> dict[int, BedVitals]:
    """Return each bed's vitals as `read_beds` does, past this process' own copies: one MGET."""
    return _Reading({bed.key: bed.pk for bed in beds}, {}).run()


def write_through(bed_ids: Collection[int]) -> None:
    """Replace the cached documents of these beds after a commit.

    While Redis is away they stay owed, and the next call pays: a server that was only out of reach has old ones.
    """
    owed = _owed.union(bed_ids)
    if not owed:
        return
    _owed.difference_update(owed)  # other threads may owe more meanwhile
    try:
        with breaker.guard():
            fence.write(documents.load(owed).values())
        owed = set()
    except UNAVAILABLE:
        return  # the breaker has logged it
    finally:
        _owed.update(owed)


def _copied(beds: Sequence[Bed], encounters: Mapping[int, Encounter]) -> dict[int, BedVitals]:
    """Return what this process has copies of."""
    found: dict[int, BedVitals] = {}
    for bed in beds:
        vitals = copies.get(keys.vitals(bed.key))
        if vitals is not None and encounters.get(bed.pk, vitals.encounter) == vitals.encounter:
            found[bed.pk] = vitals
    count("vitals", Layer.LOCAL, Result.HIT, len(found))
    count("vitals", Layer.LOCAL, Result.MISS, len(beds) - len(found))
    return found


class _Reading:
    """One look-up of several beds that this process has no copies of: Redis, then PostgreSQL."""

    def __init__(self, ids: dict[str, int], encounters: Mapping[int, Encounter]) -> None:
        self._ids = ids  # bed id by its name in Redis
        self._encounters = encounters
        self._found: dict[int, BedVitals] = {}
        self._unfit: dict[str, bytes] = {}  # cached, but no document or another encounter's

    def run(self, *, fill: bool = True) -> dict[int, BedVitals]:
        try:
            with breaker.guard():
                self._look(self._missing(), Result.HIT)
            if fill:
                self._fill()
        except UNAVAILABLE:
            count("vitals", Layer.REDIS, Result.ERROR, len(self._missing()))
        if fill:
            self._load(self._missing())
        return self._found

    def _missing(self) -> list[str]:
        return [key for key, pk in self._ids.items() if pk not in self._found]

    def _look(self, wanted: Sequence[str], result: Result) -> None:
        """Take what is cached."""
        if not wanted:
            return
        ticket, asked_at = copies.ticket(), now()
        for key, (raw, life) in zip(wanted, fence.get(wanted), strict=True):
            if raw is None or raw == self._unfit.get(key):
                continue
            self._take(key, raw, result)
            if vitals := self._found.get(self._ids[key]):
                copy = replace(vitals, source=Source.LOCAL, read_at=asked_at)
                copies.put(keys.vitals(key), copy, len(raw) * OBJECT_SIZE, asked_at + life / 1000, ticket)

    def _take(self, key: str, raw: bytes, result: Result) -> None:
        """Keep a cached value if it is a document of the encounter in the bed."""
        try:
            vitals = documents.read(fence.decode(raw), Source.CACHE)
        except MALFORMED:
            self._refuse(key, raw, Result.POISON)
            return
        pk = self._ids[key]
        if self._encounters.get(pk, vitals.encounter) != vitals.encounter:
            self._refuse(key, raw, Result.FOREIGN)
            return
        count("vitals", Layer.REDIS, result if vitals.readings else Result.NEGATIVE)
        self._found[pk] = vitals

    def _refuse(self, key: str, raw: bytes, result: Result) -> None:
        count("vitals", Layer.REDIS, result)
        self._unfit[key] = raw

    def _fill(self) -> None:
        """Load and cache what nobody else is loading; take the rest from those who are."""
        wanted = {key: self._unfit.get(key, b"") for key in self._missing()}
        if not wanted:
            return
        with breaker.guard():
            token, answers = fence.take_leases(wanted)
        count("vitals", Layer.REDIS, Result.MISS, len(wanted) - len(self._unfit))
        for key, answer in answers.items():
            if isinstance(answer, bytes):
                self._take(key, answer, Result.WAITED)
        loaded = self._load([key for key, answer in answers.items() if answer == 1])
        with breaker.guard():
            fence.write(loaded, token)
        self._wait([key for key, answer in answers.items() if answer == 0])

    def _wait(self, waiting: list[str]) -> None:
        """Let other readers fill these: one query instead of fifty."""
        deadline = time.monotonic() + WAIT_SECONDS
        while waiting and time.monotonic() < deadline:
            time.sleep(WAIT_STEP)
            with breaker.guard():
                self._look(waiting, Result.WAITED)
            waiting = [key for key in waiting if self._ids[key] not in self._found]

    def _load(self, wanted: Collection[str]) -> list[Loaded]:
        """Take these from PostgreSQL and return their documents."""
        if not wanted:
            return []
        count("vitals", Layer.DATABASE, Result.HIT, len(wanted))
        loaded = documents.load([self._ids[key] for key in wanted])
        self._found |= {pk: documents.read(one.document, Source.DATABASE) for pk, one in loaded.items()}
        return list(loaded.values())
