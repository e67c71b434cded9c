"""Wards and who is in their beds: one as it is, or all of them as polls go by them, at most `RECHECKED` old."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.utils.timezone import now

from epicops.kept import Kept
from vitals.models import Bed, Unit
from vitals.occupants import Occupant, read_occupants
from vitals.wards import in_order

RECHECKED: Final = 1.0  # seconds; boards poll every two

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


def read_wards(units: Iterable[Unit]) -> dict[int, Ward]:
    """Return these units' wards by id as they are now: three queries, whatever their number and size."""
    at, by_id = now(), {unit.pk: unit for unit in units}
    beds: dict[int, list[Bed]] = {pk: [] for pk in by_id}
    for bed in Bed.objects.filter(unit__in=by_id).order_by():
        bed.unit = by_id[bed.unit_id]
        beds[bed.unit_id].append(bed)
    occupants = read_occupants(bed for found in beds.values() for bed in found)
    return {pk: Ward(unit, tuple(sorted(beds[pk], key=in_order)), occupants, at) for pk, unit in by_id.items()}


def read_ward(unit: Unit) -> Ward:
    """Return this unit's ward as it is now: three queries."""
    return read_wards([unit])[unit.pk]


def house() -> House:
    """Return all wards as they were at most `RECHECKED` ago, twice that while they are being read again."""
    return _house.get(None, _read)


def held_house() -> House | None:
    """Return what this process read last, for as long as that may be shown while PostgreSQL is away."""
    return _house.last(None, settings.EPICOPS_BOARD_HELD)


def _read() -> House:
    wards = read_wards(Unit.objects.all())
    beds = {bed.key: bed for ward in wards.values() for bed in ward.beds}
    return House(wards, beds, next((ward.occupants for ward in wards.values()), {}))


_house: Final[Kept[None, House]] = Kept(RECHECKED)
forget: Final = _house.forget
