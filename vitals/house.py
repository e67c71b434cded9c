"""Wards and who is in their beds: one as it is, or all of them as polls go by them, at most `RECHECKED` old."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from django.conf import settings
from django.db.models import QuerySet
from django.utils.timezone import now

from epicops.kept import Kept
from vitals.models import Bed, Unit
from vitals.occupants import Occupant, read_occupants
from vitals.wards import in_order

RECHECKED: Final = 1.0  # seconds; about as often as boards poll

Occupants = Mapping[int, tuple[Occupant, ...]]  # by a bed's id, the latest arrival first


@dataclass(frozen=True, slots=True)
class Ward:
    """A unit, its beds in the order of their numbers, and who was in them at the time `at`."""

    unit: Unit
    beds: tuple[Bed, ...]
    occupants: Occupants
    at: datetime


@dataclass(frozen=True, slots=True)
class House:
    """Every ward by its id, every bed by its key, and who is where."""

    wards: Mapping[int, Ward]
    beds: Mapping[str, Bed]
    occupants: Occupants


def read_ward(unit: Unit) -> Ward:
    """Return this unit's ward as it is now: three queries."""
    at, beds = now(), _beds(Bed.objects.filter(unit=unit))
    return _ward(unit, beds, read_occupants(beds), at)


def _beds(found: QuerySet[Bed]) -> list[Bed]:
    """Return beds in the order of their numbers."""
    beds = [_bed(*row) for row in found.order_by().values_list("pk", "unit_id", "room", "label", "key")]
    return sorted(beds, key=lambda bed: in_order(bed.key))


@lru_cache(maxsize=5000)
def _bed(pk: int, unit_id: int, room: str, label: str, key: str) -> Bed:
    return Bed(pk=pk, unit_id=unit_id, room=room, label=label, key=key)


def _ward(unit: Unit, beds: Iterable[Bed], occupants: Occupants, at: datetime) -> Ward:
    found = tuple(beds)
    for bed in found:
        bed.unit = unit
    return Ward(unit, found, occupants, at)


def house() -> House:
    """Return all wards as they were at most `RECHECKED` ago, twice that while they are being read again."""
    return _house.get(None, _read)


def held_house() -> House | None:
    """Return what this process read last, for as long as that may be shown while PostgreSQL is away."""
    return _house.last(None, settings.EPICOPS_BOARD_HELD)


def _read() -> House:
    """Read it in four queries, without a list of 500 beds in any."""
    at, beds, occupants = now(), _beds(Bed.objects.all()), read_occupants()
    of_unit: dict[int, list[Bed]] = {}
    for bed in beds:
        of_unit.setdefault(bed.unit_id, []).append(bed)
    wards = {unit.pk: _ward(unit, of_unit.get(unit.pk, ()), occupants, at) for unit in Unit.objects.all()}
    return House(wards, {bed.key: bed for bed in beds}, occupants)


_house: Final[Kept[None, House]] = Kept(RECHECKED)
forget: Final = _house.forget
