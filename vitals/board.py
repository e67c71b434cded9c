"""A ward's beds, the most urgent first, and what its header counts."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from django.utils.timezone import localdate, localtime

from vitals.documents import STALE_AFTER, Source
from vitals.early_warning import HIGH
from vitals.house import Ward
from vitals.models import Unit
from vitals.rows import Row, held_rows, read_rows


@dataclass(frozen=True)
class Board:
    """A ward's beds in order at the time `at`, and what its header counts; `held_at` is when an old one was read."""

    unit: Unit
    rows: tuple[Row, ...]
    at: datetime
    held_at: datetime | None = None

    @property
    def occupied(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.occupants)

    @property
    def free_count(self) -> int:
        return len(self.rows) - len(self.occupied)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Return what the header counts, by title; times in it change a count without any message."""
        today = localdate(self.at)
        leaving = [row.occupant.discharge_at for row in self.rows if row.occupant and row.occupant.discharge_at]
        return {
            "Occupied": len(self.occupied),
            "Free": self.free_count,
            f"NEWS2 {HIGH} or more": sum(1 for row in self.rows if (row.warning.total or 0) >= HIGH),
            "Observations overdue": sum(1 for row in self.rows if row.warning.is_overdue(self.at)),
            "Stale readings": sum(1 for row in self.rows if row.updated_at and self.at - row.updated_at > STALE_AFTER),
            "Unassigned": sum(1 for row in self.rows if row.occupant and not row.occupant.nurses),
            "Expected to leave today": sum(1 for at in leaving if localtime(at).date() <= today),
        }

    @property
    def newest_at(self) -> datetime | None:
        """When the feed was last heard of: the ward's newest reading."""
        return max((row.updated_at for row in self.rows if row.updated_at), default=None)

    @property
    def source_counts(self) -> tuple[tuple[Source, int], ...]:
        """Rows with readings by where these came from, without zeros."""
        sources = [row.source for row in self.rows if row.source]
        return tuple((source, sources.count(source)) for source in Source if source in sources)

    @property
    def source(self) -> Source | None:
        """Database as soon as one row came from there; None without readings."""
        sources = {row.source for row in self.rows if row.source}
        return Source.DATABASE if Source.DATABASE in sources else min(sources, default=None)

    @cached_property
    def patient_ids(self) -> tuple[int, ...]:
        return tuple(sorted({occupant.patient_id for row in self.rows for occupant in row.occupants}))


def read_board(ward: Ward, now: datetime, *, is_by_bed: bool = False) -> Board:
    """Return the ward's board, by urgency or by bed: one look into the cache.

    One query, once a minute, for the last twelve hours.
    """
    return _board(ward, read_rows(ward.beds, ward.occupants, now), now, is_by_bed=is_by_bed)


def held_board(ward: Ward, now: datetime, *, is_by_bed: bool = False) -> Board:
    """Return the ward's board without PostgreSQL, marked with the time of the ward."""
    board = _board(ward, held_rows(ward.beds, ward.occupants, now), now, is_by_bed=is_by_bed)
    return replace(board, held_at=ward.at)


def _board(ward: Ward, rows: tuple[Row, ...], now: datetime, *, is_by_bed: bool) -> Board:
    return Board(ward.unit, rows if is_by_bed else tuple(sorted(rows, key=lambda row: row.urgency(now))), now)
