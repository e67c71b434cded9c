"""Repairs: an edit kept as a recipe, to be made again on every message that fails in the same way."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from interconnect.dlq.revisions import as_bytes, as_text
from interconnect.hl7.leaves import Leaves, Place
from interconnect.hl7.rejected import MessageRejected

# Who the patient is and who is with them: a recipe is about codes, and is kept longer than messages.
OF_A_PATIENT: Final = frozenset({"PID", "PD1", "NK1", "MRG", "GT1", "IN1", "IN2", "IN3", "ACC"})
MAX_STEPS: Final = 20


class Step(NamedTuple):
    """In every segment and repetition, where the value at `path` (such as OBX-6.1) is `old`, make it `new`."""

    path: str
    old: str  # empty: where there is none
    new: str


class Repair(models.Model):
    """A named list of steps, offered wherever the failure appears that it was made for."""

    name = models.CharField(max_length=80, unique=True)
    group = models.ForeignKey("interconnect.FailureGroup", models.PROTECT, related_name="repairs")
    steps_made = models.JSONField(help_text="Each a path, the value there before, the value after")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name

    @property
    def steps(self) -> list[Step]:
        return [Step(*step) for step in self.steps_made]


def steps_between(before: bytes, after: bytes) -> list[Step]:
    """Return the recipe for this edit; ValueError says in words for people why there is none."""
    old, new = _values(before), _values(after)
    if old.segments != new.segments:
        raise ValueError("A repair sets values; this edit adds, removes or moves segments")
    places = [place for place in dict.fromkeys((*old, *new)) if old.get(place) != new.get(place)]
    if of_a_patient := sorted({place.segment for place in places} & OF_A_PATIENT):
        raise ValueError(f"A repair is about codes, not about one patient: {', '.join(of_a_patient)} is edited")
    steps = list(dict.fromkeys(Step(_path(place), old.get(place), new.get(place)) for place in places))
    if len({(step.path, step.old) for step in steps}) < len(steps):
        raise ValueError("One value becomes several different ones in this edit")
    if not 1 <= len(steps) <= MAX_STEPS:
        raise ValueError(f"A repair has 1 to {MAX_STEPS} steps; this edit has {len(steps)}")
    return steps


def repaired(raw: bytes, steps: Iterable[Step]) -> bytes:
    """Return the message with the steps made, the same bytes where none fits; ValueError where it cannot be edited."""
    leaves = _values(raw)
    values = {place: step.new for step in steps for place in _places(leaves, step)}  # all found before any is made
    for place, value in values.items():
        leaves.set(place, value)
    return as_bytes(leaves.text) if values else raw


def _values(raw: bytes) -> Leaves:
    try:
        return Leaves(as_text(raw))
    except MessageRejected as rejected:
        raise ValueError(rejected.text) from None


def _places(leaves: Leaves, step: Step) -> Iterator[Place]:
    pattern = Place.read(step.path)
    if step.old:
        yield from (place for place in leaves if _path(place) == step.path and leaves.get(place) == step.old)
        return
    for name, number in leaves.segments:
        place = pattern._replace(number=number)
        if name == pattern.segment and not leaves.get(place):
            yield place


def _path(place: Place) -> str:
    """Return where a value is whichever the segment and the repetition."""
    return str(place._replace(number=1, repetition=1))
